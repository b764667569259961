/* Looking through a text for the words of a query, and cutting out what stands around them. */
#include "history/snippet.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/utf8.h"
#include "history/query.h"
#include "history/words.h"

#define SHOWN_WORDS  18
#define WORDS_BEFORE 5                 /* the hit */
#define SIGNS_AROUND 64                /* bytes before the first word and after the last */
#define BYTES_MAX    2048              /* of a snippet, whose words may be of any length */
#define LOOK_MAX     ((size_t)4 << 20) /* bytes of the text that are looked through */
#define CHECK_EVERY  256               /* words */

/* -- the query ------------------------------------------------------------------- */

static void *grow(struct finder *f, void *items, size_t n, size_t *cap, size_t size)
{
	void *grown;

	if (n < *cap)
		return items;
	grown = realloc(items, (*cap ? *cap * 2 : 8) * size);
	if (!grown) {
		f->failed = true;
		return items;
	}
	*cap = *cap ? *cap * 2 : 8;
	return grown;
}

static int add_word(void *ctx, const char *word, size_t n, size_t from, size_t to)
{
	struct finder *f = ctx;

	(void)from, (void)to;
	f->words = grow(f, f->words, f->n_words, &f->cap_words, sizeof(*f->words));
	if (f->failed)
		return 1;
	f->words[f->n_words++] = (struct finder_word){.at = f->bytes.len, .n = n};
	buf_add(&f->bytes, word, n);
	return 0;
}

static struct str word_at(const struct finder *f, size_t i)
{
	return (struct str){f->bytes.data + f->words[i].at, f->words[i].n};
}

/* How much of its own beginning a phrase ends with, at each word (Knuth, Morris, Pratt). */
static void set_backs(struct finder *f, const struct finder_phrase *p)
{
	size_t back = 0;

	f->words[p->first].back = 0;
	for (size_t i = 1; i < p->n; i++) {
		f->words[p->first + i].back = back;
		while (back && !str_eq(word_at(f, p->first + i), word_at(f, p->first + back)))
			back = f->words[p->first + back].back;
		if (str_eq(word_at(f, p->first + i), word_at(f, p->first + back)))
			back++;
	}
}

int finder_init(struct finder *f, struct str typed, struct err *err)
{
	struct query_term t;
	size_t at = 0;

	*f = (struct finder){0};
	while (!f->failed && query_next(typed, &at, &t)) {
		struct finder_phrase p = {.first = f->n_words, .prefix = t.prefix};

		if (t.without)
			continue;
		words_each(t.text, add_word, f);
		p.n = f->n_words - p.first;
		f->phrases =
			grow(f, f->phrases, f->n_phrases, &f->cap_phrases, sizeof(*f->phrases));
		if (!p.n || f->failed)
			continue;
		f->phrases[f->n_phrases++] = p;
		set_backs(f, &p);
	}
	if (!f->failed && !buf_failed(&f->bytes))
		return 0;
	finder_release(f);
	return err_nomem(err, "query", typed.n);
}

void finder_release(struct finder *f)
{
	buf_release(&f->bytes);
	free(f->words);
	free(f->phrases);
	*f = (struct finder){0};
}

/* -- the text ---------------------------------------------------------------------- */

/* Words that are remembered: a phrase of the longest query, and what is shown around it. */
#define RING 128

struct place {
	size_t from, to;
	bool hit, joined; /* of a hit; together with the word before */
};

struct look {
	struct history *h;
	const struct finder *f;
	size_t done[QUERY_WORDS_MAX]; /* words of each phrase that stand before the next word */
	struct place ring[RING];
	size_t n;     /* words so far */
	size_t start; /* the first word shown, where `found` */
	bool found, more, stopped;
};

static bool is_word(const struct look *l, const struct finder_phrase *p, size_t i,
		    struct str word)
{
	struct str want = word_at(l->f, p->first + i);

	if (p->prefix && i == p->n - 1)
		return word.n >= want.n && memcmp(word.p, want.p, want.n) == 0;
	return str_eq(word, want);
}

static void mark(struct look *l, size_t n)
{
	size_t first = l->n + 1 - n;

	for (size_t i = first; i <= l->n; i++) {
		l->ring[i % RING].hit = true;
		l->ring[i % RING].joined |= i > first;
	}
	if (l->found)
		return;
	l->found = true;
	l->start = first > WORDS_BEFORE ? first - WORDS_BEFORE : 0;
}

static void advance(struct look *l, size_t i, struct str word)
{
	const struct finder_phrase *p = &l->f->phrases[i];
	size_t done = l->done[i];

	while (done && !is_word(l, p, done, word))
		done = l->f->words[p->first + done].back;
	if (is_word(l, p, done, word))
		done++;
	if (done == p->n) {
		mark(l, p->n);
		/* A hit that ends here may begin the next one with this word alone. */
		done = p->n > 1 && is_word(l, p, 0, word);
	}
	l->done[i] = done;
}

static int look_at(void *ctx, const char *word, size_t n, size_t from, size_t to)
{
	struct look *l = ctx;

	if (l->n % CHECK_EVERY == CHECK_EVERY - 1 && store_stops(l->h)) {
		l->stopped = true;
		return 1;
	}
	l->ring[l->n % RING] = (struct place){.from = from, .to = to};
	if (l->found && l->n >= l->start + SHOWN_WORDS) {
		l->more = true;
		return 1;
	}
	for (size_t i = 0; i < l->f->n_phrases; i++)
		advance(l, i, (struct str){word, n});
	l->n++;
	return 0;
}

/* -- the line ------------------------------------------------------------------------ */

/* What the text says, where a mark can't be forged. */
static void add_text(struct buf *out, struct str text, size_t from, size_t to)
{
	for (size_t i = from; i < to && out->len < BYTES_MAX; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_addc(out, c <= ' ' || c == 0x7f ? ' ' : (char)c);
	}
}

static void add_words(struct buf *out, const struct look *l, struct str text, size_t end)
{
	size_t at = l->ring[l->start % RING].from;

	for (size_t i = l->start; i < end && out->len < BYTES_MAX; i++) {
		const struct place *w = &l->ring[i % RING];
		bool goes_on = i + 1 < end && l->ring[(i + 1) % RING].joined;

		add_text(out, text, at, w->from);
		if (w->hit && (!w->joined || i == l->start))
			buf_addc(out, HISTORY_MARK_ON);
		add_text(out, text, w->from, w->to);
		if (w->hit && !goes_on)
			buf_addc(out, HISTORY_MARK_OFF);
		at = w->to;
	}
}

/* Blanks as one, none at the ends, nothing that is no UTF-8. */
static void add_clean(struct buf *out, const struct buf *raw)
{
	struct buf clean = {0};
	size_t before = out->len;
	bool space = false;

	utf8_add_clean(&clean, buf_str(raw));
	for (size_t i = 0; i < clean.len; i++) {
		if (clean.data[i] == ' ') {
			space = true;
			continue;
		}
		if (space && out->len > before)
			buf_addc(out, ' ');
		space = false;
		buf_addc(out, clean.data[i]);
	}
	out->failed |= clean.failed || raw->failed;
	buf_release(&clean);
}

static size_t to_character(struct str text, size_t at)
{
	while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static void add_line(struct buf *out, const struct look *l, struct str text)
{
	size_t end = l->n < l->start + SHOWN_WORDS ? l->n : l->start + SHOWN_WORDS;
	size_t first = end ? l->ring[l->start % RING].from : 0;
	size_t last = end ? l->ring[(end - 1) % RING].to : 0;
	size_t from = first, to = last;
	struct buf raw = {0};

	if (l->start == 0)
		from = first > SIGNS_AROUND ? to_character(text, first - SIGNS_AROUND) : 0;
	if (!l->more)
		to = text.n - last > SIGNS_AROUND ? to_character(text, last + SIGNS_AROUND)
						  : text.n;
	buf_addz(&raw, from ? "…" : "");
	add_text(&raw, text, from, first);
	if (end)
		add_words(&raw, l, text, end);
	add_text(&raw, text, last, to);
	buf_addz(&raw, to < text.n || raw.len >= BYTES_MAX ? "…" : "");
	add_clean(out, &raw);
	buf_release(&raw);
}

int snippet_add(struct buf *out, struct history *h, const struct finder *f, struct str text)
{
	struct str looked = {text.p, text.n < LOOK_MAX ? text.n : LOOK_MAX};
	struct look l = {.h = h, .f = f};

	words_each(looked, look_at, &l);
	/* Not found where it was looked for: how the text begins says something as well. */
	if (!l.found && !l.stopped && l.n > SHOWN_WORDS) {
		l = (struct look){.h = h, .f = f, .found = true};
		words_each(looked, look_at, &l);
	}
	if (l.stopped)
		return ERR_CANCELLED;
	/* Near its end the line shows more of what was before. */
	if (!l.more && l.n < l.start + SHOWN_WORDS)
		l.start = l.n > SHOWN_WORDS ? l.n - SHOWN_WORDS : 0;
	add_line(out, &l, text);
	return 0;
}
