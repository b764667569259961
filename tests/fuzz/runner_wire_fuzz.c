/* Any packet to the runner, or from it. */
#include "app/tools/parcel.h"

#include "engine/base/err.h"
#include "tests/fuzz/fuzz.h"

/* What is taken and added again is the same. */
static void check_job(const struct wire_message *m)
{
	struct buf again = {0};
	struct job j;

	if (!parcel_take_job(m, &j))
		return;
	parcel_add_job(&again, &j);
	BUG_ON(again.len != m->body.len);
	buf_release(&again);
}

static void check_config(const struct wire_message *m)
{
	static struct parcel_config c;
	struct buf again = {0};
	struct err err;

	if (!parcel_take_config(m, &c))
		return;
	BUG_ON(parcel_add_config(&again, &c.c, c.scratch, &err) != 0);
	BUG_ON(again.len != m->body.len);
	buf_release(&again);
}

static void check_news(const struct wire_message *m)
{
	struct buf again = {0};
	struct job_news n;

	if (parcel_take_news(m, &n)) {
		parcel_add_news(&again, &n);
		BUG_ON(!str_eq(buf_str(&again), buf_str(&m->body)));
	}
	job_news_release(&n);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_message m = {0};
	struct err err;

	if (wire_parse((struct str){(const char *)data, size}, &m, &err) == 0) {
		check_config(&m);
		check_job(&m);
		check_news(&m);
	}
	buf_release(&m.body);
	return 0;
}
