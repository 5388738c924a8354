# For the stories that run inside a Debian of their own. Each step says "ok NAME"; the first that does not hold ends the
# story with "FAILED NAME" and what can be seen.

# check NAME COMMAND...: the command must succeed.
check() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "ok $name"
  else
    echo "FAILED $name: $* gives $?: $said"
    declare -F evidence >/dev/null && evidence
    exit 1
  fi
}

# within SECONDS COMMAND...: the command must succeed within that time.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# has TEXT COMMAND...: the output of the command must contain the text.
has() {
  local text=$1 said
  shift
  said=$("$@" 2>&1) || true
  [[ $said == *"$text"* ]] || { echo "$text is not in: $said"; return 1; }
}

not() { ! "$@"; }
