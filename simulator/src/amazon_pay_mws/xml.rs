//! Answers as XML text.
//!
//! Owns: escaping, envelopes, the harmless variety of real answers. Must never know: what an element means.

use std::fmt::Write as _;

use crate::provider::Random;

use super::refusal::Refusal;

/// The namespace on the wire, sandbox included (docs/src/reference/amazon-pay-mws.md section 3.4).
const NAMESPACE: &str = "http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01";

/// One element: a text or children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// An element with a text; an empty one is written `<Name/>`.
    pub(super) fn text(name: &str, text: impl Into<String>) -> Element {
        Element { name: name.to_owned(), text: text.into(), children: Vec::new() }
    }

    /// An element with children; without any it is written `<Name/>`.
    pub(super) fn of(name: &str, children: Vec<Element>) -> Element {
        Element { name: name.to_owned(), text: String::new(), children }
    }

    /// The element in one line.
    pub(super) fn line(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, None);
        text
    }

    /// Adds a child.
    pub(super) fn push(&mut self, child: Element) {
        self.children.push(child);
    }

    fn shuffle(&mut self, random: &mut Random) {
        for last in (1..self.children.len()).rev() {
            let chosen = usize::try_from(random.below(last as u64 + 1)).unwrap_or(0);
            self.children.swap(last, chosen);
        }
        for child in self.children.iter_mut().filter(|child| !child.is_list()) {
            child.shuffle(random);
        }
    }

    fn is_list(&self) -> bool {
        self.children.len() > 1 && self.children.iter().all(|child| child.name == self.children[0].name)
    }

    fn write(&self, into: &mut String, indent: Option<usize>) {
        pad(into, indent);
        if self.text.is_empty() && self.children.is_empty() {
            write!(into, "<{}/>", self.name).expect("writing into a String cannot fail");
        } else {
            write!(into, "<{}>{}", self.name, escaped(&self.text))
                .expect("writing into a String cannot fail");
            for child in &self.children {
                child.write(into, indent.map(|depth| depth + 1));
            }
            if !self.children.is_empty() {
                pad(into, indent);
            }
            write!(into, "</{}>", self.name).expect("writing into a String cannot fail");
        }
    }
}

fn pad(into: &mut String, indent: Option<usize>) {
    if let Some(depth) = indent {
        into.push('\n');
        into.extend(std::iter::repeat_n("  ", depth));
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// How an answer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// With declaration, indented, children as given: the recorded form of section 7.
    Recorded,
    /// Everything in one line, children as given, without declaration.
    Plain,
}

/// A successful answer. `result` is `None` where the recorded answers have no Result element.
pub(super) fn success(
    action: &str,
    result: Option<Vec<Element>>,
    request_id: &str,
    layout: Layout,
) -> String {
    let metadata = Element::of("ResponseMetadata", vec![Element::text("RequestId", request_id)]);
    let mut children = Vec::new();
    if let Some(result) = result {
        children.push(Element::of(&format!("{action}Result"), result));
    }
    children.push(metadata);
    let is_recorded = layout == Layout::Recorded;
    let mut text = String::new();
    if is_recorded {
        text.push_str("<?xml version=\"1.0\"?>\n");
    }
    write!(text, "<{action}Response xmlns=\"{NAMESPACE}\">").expect("writing into a String cannot fail");
    for child in &children {
        child.write(&mut text, is_recorded.then_some(1));
    }
    pad(&mut text, is_recorded.then_some(0));
    write!(text, "</{action}Response>").expect("writing into a String cannot fail");
    if is_recorded {
        text.push('\n');
    }
    text
}

/// Shuffles children and now and then chooses the recorded layout, as real answers vary (section 3.4).
pub(super) fn vary(result: &mut [Element], random: &mut Random) -> Layout {
    for element in result {
        element.shuffle(random);
    }
    if random.share(0.5) { Layout::Recorded } else { Layout::Plain }
}

/// An error answer, laid out as in section 5.3.
pub(super) fn failure(refusal: &Refusal, request_id: &str) -> String {
    let id_element = if refusal.code.is_of_the_front_door() { "RequestID" } else { "RequestId" };
    format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>{}</Type>\n    \
         <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  <{id_element}>{request_id}</{id_element}>\n\
         </ErrorResponse>\n",
        refusal.code.kind(),
        refusal.code.word(),
        escaped(&refusal.message),
    )
}

#[cfg(test)]
mod tests {
    use super::super::refusal::Code;
    use super::*;

    #[test]
    fn the_recorded_service_status_is_reproduced_to_the_byte() {
        let result =
            vec![Element::text("Status", "GREEN"), Element::text("Timestamp", "2015-01-01T00:00:00.000Z")];
        let id = "00000000-0000-0000-0000-000000000003";
        let text = success("GetServiceStatus", Some(result), id, Layout::Recorded);
        let recorded = "<?xml version=\"1.0\"?>\n\
<GetServiceStatusResponse xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\">\n\
\u{20} <GetServiceStatusResult>\n\
\u{20}   <Status>GREEN</Status>\n\
\u{20}   <Timestamp>2015-01-01T00:00:00.000Z</Timestamp>\n\
\u{20} </GetServiceStatusResult>\n\
\u{20} <ResponseMetadata>\n\
\u{20}   <RequestId>00000000-0000-0000-0000-000000000003</RequestId>\n\
\u{20} </ResponseMetadata>\n\
</GetServiceStatusResponse>\n";
        assert_eq!(text, recorded);
        assert_eq!(text.len(), 392, "the recorded length");
    }

    #[test]
    fn the_throttle_body_is_that_of_the_manual() {
        let refusal = Code::RequestThrottled.because("Request is throttled");
        let text = failure(&refusal, "00000000-0000-0000-0000-000000000004");
        let recorded = "<?xml version=\"1.0\"?>\n\
<ErrorResponse xmlns=\"http://mws.amazonservices.com/schema/OffAmazonPayments/2013-01-01\">\n\
\u{20} <Error>\n\
\u{20}   <Type></Type>\n\
\u{20}   <Code>RequestThrottled</Code>\n\
\u{20}   <Message>Request is throttled</Message>\n\
\u{20} </Error>\n\
\u{20} <RequestID>00000000-0000-0000-0000-000000000004</RequestID>\n\
</ErrorResponse>\n";
        assert_eq!(text, recorded);
    }

    #[test]
    fn texts_are_escaped_and_lists_keep_their_order() {
        let ids = ["a&b", "<c>", "d\r"].map(|id| Element::text("member", id)).to_vec();
        let mut result =
            vec![Element::of("Details", vec![Element::of("IdList", ids), Element::text("State", "Open")])];
        vary(&mut result, &mut Random::new(3));
        let text = success("Get", Some(result), "id", Layout::Plain);
        let list =
            "<IdList><member>a&amp;b</member><member>&lt;c&gt;</member><member>d&#13;</member></IdList>";
        assert!(text.contains(list), "{text}");
        assert!(text.contains("<State>Open</State>"), "{text}");
    }

    #[test]
    fn children_come_in_different_orders() {
        let details = Element::of("D", ["a", "b", "c"].map(|name| Element::text(name, "x")).to_vec());
        let mut random = Random::new(1);
        let orders: std::collections::BTreeSet<String> = (0..50)
            .map(|_| {
                let mut result = vec![details.clone()];
                vary(&mut result, &mut random);
                success("Get", Some(result), "id", Layout::Plain)
            })
            .collect();
        assert_eq!(orders.len(), 6);
    }
}
