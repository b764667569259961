/* Text as the sequence that puts it on a terminal's clipboard. */
#include "tui/osc52.h"

#define OSC52_MAX 74994 /* what xterm and tmux accept, before base64 */

int osc52_add_base64(struct buf *out, struct str text, struct err *err)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (text.n > OSC52_MAX)
		return err_set(err, ERR_LIMIT, "%zu bytes are more than terminals take (%d)",
			       text.n, OSC52_MAX);
	for (size_t i = 0; i < text.n; i += 3) {
		size_t left = text.n - i;
		unsigned v = (unsigned)(unsigned char)text.p[i] << 16;

		if (left > 1)
			v |= (unsigned)(unsigned char)text.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned)(unsigned char)text.p[i + 2];
		buf_addc(out, digits[v >> 18 & 63]);
		buf_addc(out, digits[v >> 12 & 63]);
		buf_addc(out, left > 1 ? digits[v >> 6 & 63] : '=');
		buf_addc(out, left > 2 ? digits[v & 63] : '=');
	}
	return buf_failed(out) ? err_nomem(err, "text to copy", text.n) : 0;
}

int osc52_add(struct buf *out, struct str text, struct err *err)
{
	int rc;

	buf_addz(out, "\x1B]52;c;");
	rc = osc52_add_base64(out, text, err);
	buf_addc(out, '\a');
	if (!rc && buf_failed(out))
		rc = err_nomem(err, "text to copy", text.n);
	return rc;
}
