//! A response body that arrives whole, in part, slowly, or without end.
//!
//! Owns: the pace and the end of a body. Must never know: what is in it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::exchange::Carriage;
use crate::clock;

/// The body of one answer.
pub(super) struct Delivery {
    bytes: Bytes,
    /// What the head promises; `None`: no length is promised.
    promised: Option<u64>,
    manner: Manner,
}

type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Manner {
    /// All at once.
    Whole,
    /// So many bytes, a pause in which they leave the house, then an error.
    Cut { left: usize, is_paused: bool },
    /// So many bytes, then nothing.
    Stall(usize),
    /// The bytes again and again until so many are left to send; `None`: for ever.
    Repeat(Option<u64>),
    /// A piece each second.
    Drip { piece: usize, pause: Option<Pause> },
}

impl Delivery {
    pub(super) fn whole(body: Vec<u8>) -> Delivery {
        let promised = u64::try_from(body.len()).ok();
        Delivery { bytes: Bytes::from(body), promised, manner: Manner::Whole }
    }

    pub(super) fn new(body: Vec<u8>, carriage: Carriage) -> Delivery {
        let mut delivery = Delivery::whole(body);
        delivery.manner = match carriage {
            Carriage::Whole | Carriage::Hang | Carriage::Reset => Manner::Whole,
            Carriage::CutAfter(count) => Manner::Cut { left: count, is_paused: false },
            Carriage::HangAfter(count) => Manner::Stall(count),
            Carriage::Repeat(total) => Manner::Repeat(total),
            Carriage::Drip(per_second) => {
                let piece = usize::try_from(per_second.max(1)).unwrap_or(usize::MAX);
                Manner::Drip { piece, pause: None }
            }
        };
        if let Carriage::Repeat(total) = carriage {
            delivery.promised = total;
        }
        delivery
    }

    fn take(&mut self, count: usize) -> Option<Bytes> {
        let taken = self.bytes.split_to(count.min(self.bytes.len()));
        (!taken.is_empty()).then_some(taken)
    }
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let whole = self.bytes.len();
        let piece = match &mut self.manner {
            Manner::Whole => self.take(whole),
            Manner::Cut { left, .. } | Manner::Stall(left) if *left > 0 => {
                let count = std::mem::take(left);
                self.take(count)
            }
            Manner::Cut { is_paused, .. } => {
                if std::mem::replace(is_paused, true) {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Manner::Stall(_) => return Poll::Pending,
            Manner::Repeat(None) => Some(self.bytes.clone()),
            Manner::Repeat(Some(left)) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(whole);
                *left -= count as u64;
                let piece = self.bytes.slice(..count);
                (!piece.is_empty()).then_some(piece)
            }
            Manner::Drip { piece, pause } => {
                if let Some(pausing) = pause
                    && pausing.as_mut().poll(context).is_pending()
                {
                    return Poll::Pending;
                }
                *pause = Some(Box::pin(clock::sleep(Duration::from_secs(1))));
                let count = *piece;
                self.take(count)
            }
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.manner, Manner::Whole | Manner::Drip { .. }) && self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.manner, self.promised) {
            (Manner::Drip { .. } | Manner::Whole, _) => SizeHint::with_exact(self.bytes.len() as u64),
            (_, Some(promised)) => SizeHint::with_exact(promised),
            (_, None) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::clock::{Clock, VirtualClock};

    async fn read(carriage: Carriage, most: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut delivery = Delivery::new(b"0123456789".to_vec(), carriage);
        let mut read = Vec::new();
        while read.len() < most {
            match poll_fn(|context| Pin::new(&mut delivery).poll_frame(context)).await {
                None => return (read, None),
                Some(Err(error)) => return (read, Some(error.kind())),
                Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().expect("it is data")),
            }
        }
        (read, None)
    }

    #[tokio::test(start_paused = true)]
    async fn each_carriage_ends_as_it_says() {
        for (carriage, expected, error) in [
            (Carriage::Whole, "0123456789", None),
            (Carriage::CutAfter(4), "0123", Some(io::ErrorKind::UnexpectedEof)),
            (Carriage::CutAfter(0), "", Some(io::ErrorKind::UnexpectedEof)),
            (Carriage::HangAfter(3), "012", None),
            (Carriage::Repeat(Some(23)), "01234567890123456789012", None),
            (Carriage::Drip(4), "0123456789", None),
        ] {
            let most = if matches!(carriage, Carriage::HangAfter(_)) { 3 } else { 100 };
            let (read, failed) = read(carriage, most).await;
            assert_eq!((read.as_slice(), failed), (expected.as_bytes(), error), "{carriage:?}");
        }
        assert!(read(Carriage::Repeat(None), 1_000_000).await.0.len() >= 1_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_takes_its_time() {
        let clock = VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        read(Carriage::Drip(1), 100).await;
        assert_eq!(clock.monotonic().as_secs(), 10);
    }
}
