/* The next number among the forks that there are. */
#include "app/talk/forkname.h"

#include <string.h>

/* What the fork is one of, and its number; 0: it is no fork. */
static struct str source_of(struct str title, int64_t *number)
{
	static const char begin[] = "Fork ", of[] = "of ";
	size_t at = sizeof(begin) - 1;

	*number = 0;
	if (title.n < at || memcmp(title.p, begin, at) != 0)
		return title;
	while (at < title.n && at < 12 && title.p[at] >= '0' && title.p[at] <= '9')
		*number = *number * 10 + (title.p[at++] - '0');
	at += *number > 0 && at < title.n && title.p[at] == ' ';
	if (title.n - at <= sizeof(of) - 1 || memcmp(title.p + at, of, sizeof(of) - 1) != 0) {
		*number = 0;
		return title;
	}
	*number = *number > 0 ? *number : 1;
	at += sizeof(of) - 1;
	return (struct str){title.p + at, title.n - at};
}

static void count(struct str source, struct str title, int64_t *most)
{
	int64_t number;
	struct str base = source_of(title, &number);

	if (number > *most && str_eq(base, source))
		*most = number;
}

int fork_name(struct buf *out, const struct talks *ts, struct str title, struct err *err)
{
	struct history_list stored = {0};
	int64_t number, most = 0;
	struct str source = source_of(title, &number);
	int rc = 0;

	if (!source.n)
		return 0;
	for (size_t i = 0; i < ts->n; i++)
		count(source, buf_str(&ts->v[i]->title), &most);
	if (ts->store)
		rc = history_list(ts->store, HISTORY_ALL, 0, &stored, err);
	for (size_t i = 0; i < stored.n; i++)
		count(source, str_of(stored.items[i].title), &most);
	if (most > 0)
		buf_addf(out, "Fork %lld of ", (long long)most + 1);
	else
		buf_addz(out, "Fork of ");
	buf_adds(out, source);
	history_list_release(&stored);
	return rc;
}
