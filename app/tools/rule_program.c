/* What programs do with the words behind them. */
#include "app/tools/rule.h"

#include <string.h>

#define SHELL (RUNS_WORDS | RUNS_LINES | RUNS_CODE)

/* Of one with a version at its end the name without. */
static const struct {
	const char *name;
	unsigned runs;
} programs[] = {
	{"sh", SHELL},
	{"bash", SHELL},
	{"dash", SHELL},
	{"zsh", SHELL},
	{"ksh", SHELL},
	{"ash", SHELL},
	{"csh", SHELL},
	{"tcsh", SHELL},
	{"fish", SHELL},

	{"sudo", RUNS_WORDS},
	{"doas", RUNS_WORDS},
	{"env", RUNS_WORDS | RUNS_LINES},
	{"xargs", RUNS_WORDS | RUNS_READ},
	{"parallel", RUNS_WORDS | RUNS_LINES | RUNS_READ},
	{"timeout", RUNS_WORDS},
	{"nice", RUNS_WORDS},
	{"nohup", RUNS_WORDS},
	{"stdbuf", RUNS_WORDS},
	{"setsid", RUNS_WORDS},
	{"time", RUNS_WORDS},
	{"exec", RUNS_WORDS},
	{"flock", RUNS_WORDS | RUNS_LINES},
	{"watch", RUNS_WORDS | RUNS_LINES},
	{"command", RUNS_WORDS},
	{"builtin", RUNS_WORDS},
	{"eval", RUNS_WORDS | RUNS_LINES | RUNS_READ},
	{"chrt", RUNS_WORDS},
	{"ionice", RUNS_WORDS},
	{"busybox", RUNS_WORDS},
	{"find", RUNS_EXEC},
	{"ssh", RUNS_WORDS | RUNS_LINES | RUNS_READ},
	{"su", RUNS_LINES | RUNS_READ},
	{"trap", RUNS_LINES},

	{"perl", RUNS_CODE},
	{"python", RUNS_CODE},
	{"pypy", RUNS_CODE},
	{"ruby", RUNS_CODE},
	{"node", RUNS_CODE},
	{"deno", RUNS_CODE},
	{"nodejs", RUNS_CODE},
	{"bun", RUNS_CODE},
	{"php", RUNS_CODE},
	{"lua", RUNS_CODE},
	{"julia", RUNS_CODE},
	{"R", RUNS_CODE},
	{"tclsh", RUNS_CODE},
	{"Rscript", RUNS_CODE},
	{"osascript", RUNS_CODE},

	{"awk", RUNS_READ},
	{"gawk", RUNS_READ},
	{"mawk", RUNS_READ},
	{"gdb", RUNS_READ},
	{"psql", RUNS_READ},
	{"sqlite", RUNS_READ},
	{"mysql", RUNS_READ},
	{"bc", RUNS_READ},
	{"dc", RUNS_READ},
	{"ed", RUNS_READ},
};

struct str rule_base(struct str word)
{
	const char *slash = word.n ? memrchr(word.p, '/', word.n) : NULL;

	return slash ? (struct str){slash + 1, word.n - (size_t)(slash + 1 - word.p)} : word;
}

bool rule_is_program(struct str word, const char *const *names)
{
	struct str base = rule_base(word);

	while (*names && !str_is(base, *names))
		names++;
	return *names != NULL;
}

unsigned rule_runs(struct str word)
{
	struct str base = rule_base(word);

	while (base.n && strchr("0123456789.", base.p[base.n - 1]))
		base.n--;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (str_is(base, programs[i].name))
			return programs[i].runs;
	return 0;
}
