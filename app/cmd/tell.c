/* What commands tell of the history. */
#include "app/cmd/cmd.h"
#include "app/pulse.h"

int cmd_tell(struct cmd_host *h, cmd_describe_fn describe, const char *arg, struct err *err)
{
	struct buf text = {0};
	int rc = talks_need_store(h->talks, err);
	bool before = pulse_optional(true);

	if (!rc)
		rc = describe(h->talks->store, arg, &text, err);
	pulse_optional(before);
	if (!rc)
		h->ops->tell(h, buf_str(&text));
	buf_release(&text);
	return rc;
}
