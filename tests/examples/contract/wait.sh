#!/usr/bin/env bash
# Waits for an action with curl: wait.sh URL ACTION_UID USER PASSWORD TIMEOUT [CA_FILE]; says on stderr why it gives up.
set -u
url=$1 uid=$2 user=$3 password=$4 timeout=$5 ca_file=${6:-}
give_up() { echo "$1" >&2; exit 1; }
[ -n "$uid" ] && [ "$uid" != null ] || give_up "there is no action_uid to wait for"
deadline=$(($(date +%s) + ${timeout%.*} + 1)) last="nothing was heard of it"
config=$(printf 'user = "%s:%s"\n' "$user" "$password") # not on the command line, where everybody can read it
trust=(); [ -z "$ca_file" ] || trust=(--cacert "$ca_file")
while [ "$(date +%s)" -le "$deadline" ]; do
  reply=$(curl -sSL --max-redirs 5 --max-time 5 "${trust[@]}" -K <(echo "$config") \
    -w '\n%{http_code} %header{retry-after}' "$url/v1/actions/$uid" 2>&1)
  problem=$? body=${reply%$'\n'*} tail=${reply##*$'\n'} pause=0.2
  code=${tail%% *} again=${tail#* }
  case $problem/$code in
    60/* | 47/*) give_up "curl: $reply" ;;
    [1-9]*/*) last="curl: $reply" ;;
    0/429 | 0/5??) last="HTTP $code"; [[ $again =~ ^[0-9]+$ ]] && pause=$again ;;
    0/200)
      told=$(grep -o '"action_uid": *"[^"]*"' <<<"$body" | head -n 1 | cut -d '"' -f 4)
      status=$(grep -o '"status": *"[^"]*"' <<<"$body" | head -n 1 | cut -d '"' -f 4)
      [ -z "$told" ] || [ "$told" = "$uid" ] || give_up "asked for $uid and was told of $told"
      case $status in
        completed) exit 0 ;;
        failed | cancelled | aborted) give_up "$uid is $status: $body" ;;
        queued | pending | starting | running | active | cancelling) last="status $status" ;;
        *) give_up "unknown status '$status': $body" ;;
      esac ;;
    *) give_up "HTTP $code forbidden or not there: $body" ;;
  esac
  left=$((deadline - $(date +%s)))
  [ "${pause%.*}" -gt "$left" ] 2>/dev/null && pause=$((left > 0 ? left : 0))
  sleep "$pause"
done
give_up "gave up on $uid after $timeout s: $last"
