#!/bin/sh
# Let finished files appear in Logster's landing zone: a collector writes to hidden files (.NAME), each for 100 seconds;
# what has not been written to for so many minutes is renamed in place, which is atomic, so that only whole files are seen.
#
#     land.sh FOLDER [MINUTES]      run it every minute, from cron or a systemd timer; MINUTES is 3 where not given
set -eu
folder=$1
minutes=${2:-3}
# a name that was taken is not taken again: what is read once must not change
find "$folder" -type f -name '.*.log' -mmin "+$minutes" | while IFS= read -r file; do
    name=$(basename "$file" .log)
    mv -- "$file" "$(dirname "$file")/${name#.}-$(date +%s%N).log"
done
