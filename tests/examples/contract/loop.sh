#!/usr/bin/env bash
# The loop that everybody writes first, in bash: loop.sh URL ACTION_UID USER PASSWORD TIMEOUT [SECONDS_BETWEEN_POLLS]
url=$1 uid=$2 user=$3 password=$4 timeout=$5 every=${6:-5}
end=$((SECONDS + timeout))
while [ "$SECONDS" -lt "$end" ]; do
  status=$(curl -s -u "$user:$password" "$url/v1/actions/$uid" | grep -o '"status": *"[^"]*"' | cut -d '"' -f 4)
  echo "$uid: $status"
  if [ "$status" = completed ]; then exit 0; fi
  if [ "$status" = failed ]; then echo "$uid failed" >&2; exit 1; fi
  sleep "$every"
done
echo "gave up on $uid after $timeout s" >&2
exit 1
