# Completion of dsv4chat for bash.

_dsv4chat()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local options='--prompt --file --system --prefill --effort --think --nothink --hide-thinking
		--continue --resume --fork --ephemeral --titles
		--temp --top-p --top-k --min-p --seed --max-tokens
		--model --ctx --cache-memory --cache-disk --backend --threads --gpu --kernels --moe-backend --draft
		--json --input-format --plain --mouse --keys --bind --script --color --timeout --log-level
		--help --version'
	local verbs='bench cache complete doctor help history logits parse paths prompt score tokens'

	case $prev in
	-m | --model)
		COMPREPLY=($(compgen -d -- "$cur"))
		return
		;;
	-f | --file | --script)
		COMPREPLY=($(compgen -f -- "$cur"))
		return
		;;
	--effort)
		COMPREPLY=($(compgen -W 'none low high max' -- "$cur"))
		return
		;;
	--backend)
		COMPREPLY=($(compgen -W 'auto cpu cuda' -- "$cur"))
		return
		;;
	--kernels)
		COMPREPLY=($(compgen -W 'auto general' -- "$cur"))
		return
		;;
	--moe-backend)
		COMPREPLY=($(compgen -W 'auto fused grouped reference' -- "$cur"))
		return
		;;
	--draft)
		COMPREPLY=($(compgen -W 'auto off 1 2 3 4 5 6 7 8' -- "$cur"))
		return
		;;
	--keys)
		COMPREPLY=($(compgen -W 'emacs vi' -- "$cur"))
		return
		;;
	--color)
		COMPREPLY=($(compgen -W 'auto always never' -- "$cur"))
		return
		;;
	--input-format)
		COMPREPLY=($(compgen -W 'text jsonl' -- "$cur"))
		return
		;;
	--in)
		COMPREPLY=($(compgen -W 'said thinking tools all' -- "$cur"))
		return
		;;
	--format)
		COMPREPLY=($(compgen -W 'md json jsonl' -- "$cur"))
		return
		;;
	--log-level)
		COMPREPLY=($(compgen -W 'error warn info debug' -- "$cur"))
		return
		;;
	esac
	if ((COMP_CWORD > 2)) && [[ ${COMP_WORDS[1]} == history ]]; then
		case ${COMP_WORDS[2]} in
		list) options='--json --all --archived -n' ;;
		search) options='--json --in --best -n' ;;
		show) options='--json --ids' ;;
		export) options='--format -o' ;;
		pin | archive) options='--off' ;;
		rm) options='--yes' ;;
		verify) options='--repair' ;;
		*) options='' ;;
		esac
	fi
	if ((COMP_CWORD == 2)) && [[ $prev == history ]]; then
		COMPREPLY=($(compgen -W 'list search show export import rename pin archive rm gc
			verify backup path' -- "$cur"))
	elif ((COMP_CWORD == 2)) && [[ $prev == cache ]]; then
		COMPREPLY=($(compgen -W 'list verify clear' -- "$cur"))
	elif ((COMP_CWORD == 2)) && [[ $prev == help ]]; then
		COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
	elif [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$options" -- "$cur"))
	elif ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
	fi
}
complete -o default -F _dsv4chat dsv4chat
