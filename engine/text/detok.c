/* Bytes of tokens, held back until they are characters. */
#include "engine/text/detok.h"

#include <string.h>

#include "engine/base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd";

void detok_init(struct detok *d, const struct tokenizer *tok)
{
	*d = (struct detok){.tok = tok};
}

static void push_byte(struct detok *d, char c, struct buf *out)
{
	uint32_t cp;
	int n;

	d->partial[d->n_partial++] = c;
	while (d->n_partial) {
		n = utf8_decode(d->partial, d->n_partial, &cp);
		if (n == 0)
			return;
		if (n > 0) {
			buf_add(out, d->partial, (size_t)n);
		} else {
			n = -n;
			buf_addz(out, replacement);
			d->n_replaced++;
		}
		d->n_partial -= (size_t)n;
		memmove(d->partial, d->partial + n, d->n_partial);
	}
}

void detok_push(struct detok *d, token_id id, struct buf *out)
{
	struct str bytes = tokenizer_bytes(d->tok, id);

	if (tokenizer_is_control(d->tok, id)) {
		detok_flush(d, out);
		return;
	}
	for (size_t i = 0; i < bytes.n; i++)
		push_byte(d, bytes.p[i], out);
}

void detok_flush(struct detok *d, struct buf *out)
{
	if (!d->n_partial)
		return;
	buf_addz(out, replacement);
	d->n_replaced++;
	d->n_partial = 0;
}
