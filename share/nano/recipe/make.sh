#!/bin/sh
# Makes the small model from nothing, in parts that take less than ten minutes each on one GPU.
#
#	make.sh tokenizer OUT   OUT/tokenizer.json, from the generator's text; needs no GPU, half a minute
#	make.sh first OUT       OUT/A: trained from fresh weights
#	make.sh second OUT      OUT/B: trained on from OUT/A, or from the published folder FROM
#	make.sh model OUT       OUT/model: the folder as it ships, from OUT/B, or from OUT/A where no B is
#
# SECONDS_EACH (540) is what each of the trainings may take, compilation included.  STEPS_FIRST and
# STEPS_SECOND make a run again that took so many steps (its log says it); seeds and numbers of
# workers are fixed.
set -eu

part=${1:-}
out=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
[ -n "$out" ] || { echo "usage: make.sh tokenizer|first|second|model OUT" >&2; exit 2; }
mkdir -p "$out"

train() {
	python3 "$here/train.py" --tokenizer "$out/tokenizer.json" --seconds "${SECONDS_EACH:-540}" \
		--rows 8 --length 4096 --workers 14 "$@"
}

case $part in
tokenizer)
	(cd "$here/text" && python3 tokenizer.py /dev/stdout --documents 30000) > "$out/tokenizer.json.new"
	mv "$out/tokenizer.json.new" "$out/tokenizer.json"
	;;
first)
	train --seed 1 --rate .8 --places 2 ${STEPS_FIRST:+--steps "$STEPS_FIRST"} --out "$out/A"
	;;
second)
	# A model goes on with the tokenizer that it has: that of a text widened since is another.
	[ -z "${FROM:-}" ] || cp "$FROM/tokenizer.json" "$out/tokenizer.json"
	train --seed 2 --from "${FROM:-$out/A}" --rate .6 --hold .3 --places 2 ${STEPS_SECOND:+--steps "$STEPS_SECOND"} \
		--out "$out/B"
	;;
model)
	trained=$out/A
	[ ! -d "$out/B" ] || trained=$out/B
	mkdir -p "$out/model"
	cp "$here/../config.json" "$here/../generation_config.json" "$out/tokenizer.json" \
		"$trained/model.safetensors" "$out/model/"
	;;
*)
	echo "$part: expected tokenizer, first, second or model" >&2
	exit 2
	;;
esac
