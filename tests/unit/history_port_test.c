/* Out and in again: what any conversation holds, and what no export ever was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "history/history.h"
#include "tests/support/store.h"

#define MESSAGES_MAX 40
#define PARTS_MAX    4

static struct err err;

static unsigned chance;

static unsigned pick(unsigned n)
{
	chance = chance * 1664525u + 1013904223u;
	return (chance >> 8) % n;
}

static struct history *open_store(void)
{
	struct history *h;

	if (history_open(&h, NULL, &err))
		fail_msg("%s", err.text);
	return h;
}

/* -- random conversations ----------------------------------------------------------- */

/* Any bytes, and often enough those that break UTF-8, JSON and strings. */
static struct str any_bytes(char *room, size_t most)
{
	static const char odd[] = {0, '"', '\\', '\n', (char)0xff, (char)0xc3, 0x1b, 0x7f};
	size_t n = pick((unsigned)most + 1);

	for (size_t i = 0; i < n; i++)
		room[i] = pick(3)   ? (char)('a' + pick(26))
			  : pick(2) ? odd[pick(sizeof(odd))]
				    : (char)pick(256);
	return (struct str){room, n};
}

static void any_run(struct history_run *run)
{
	static const char *const words[] = {"", "nano", "déjà vu", "a \"quoted\" \\ word"};
	static const double reals[] = {0, 1, 0.7, 1e-300, 0.1 + 0.2, 12345678.9};

	*run = (struct history_run){
		.model = words[pick(4)],
		.identity = words[pick(4)],
		.build = words[pick(4)],
		.device = words[pick(4)],
		.effort = words[pick(4)],
		.prefill = words[pick(4)],
		.stop = words[1 + pick(3)],
		.temperature = reals[pick(6)],
		.top_p = reals[pick(6)],
		.min_p = reals[pick(6)],
		.seed = (uint64_t)pick(1 << 24) << 40 | pick(1 << 24),
		.max_tokens = pick(100),
		.ctx_tokens = (int64_t)1 << pick(62),
		.started_ms = 1 + pick(1000000),
		.finished_ms = 1 + pick(1000000),
		.prompt_tokens = pick(1000),
		.output_tokens = pick(1000),
		.decode_ms = pick(1000),
		.thinking_ended = pick(2),
		.disk_tokens = pick(1000),
		.disk_ms = pick(1000),
		.steps = pick(1000),
		.drafts = words[pick(4)],
	};
}

static void say_anything(struct history_tree *t)
{
	struct history_part parts[PARTS_MAX];
	char room[PARTS_MAX][4][50];
	int32_t ids[20];
	struct history_run run;
	struct history_message m = {.role = (enum history_role)pick(HISTORY_N_ROLES),
				    .parts = parts,
				    .n_parts = pick(PARTS_MAX + 1),
				    .created_ms = 1 + pick(1 << 24)};

	for (size_t i = 0; i < m.n_parts; i++)
		parts[i] = (struct history_part){
			.kind = (enum history_kind)pick(HISTORY_N_KINDS),
			.name = any_bytes(room[i][0], pick(2) ? 40 : 0),
			.ref = any_bytes(room[i][1], pick(2) ? 40 : 0),
			.text = any_bytes(room[i][2], 50),
			.info = pick(2) ? STR_LIT("{\"cut\": true}") : (struct str){0},
		};
	if (m.role == HISTORY_ASSISTANT && pick(3)) {
		m.ids = ids;
		m.n_ids = 1 + pick(20);
		for (size_t i = 0; i < m.n_ids; i++)
			ids[i] = (int32_t)(pick(2) ? pick(130000) : pick(1 << 24) * 200u);
		any_run(&run);
		m.run = &run;
	}
	if (history_tree_say(t, &m, NULL, &err))
		fail_msg("%s", err.text);
}

/* Each message after any one before it, or after none. */
static int64_t any_conversation(struct history *h)
{
	const struct history_message *said[MESSAGES_MAX];
	size_t n = 1 + pick(MESSAGES_MAX);
	struct history_tree *t;
	int64_t id;

	assert_int_equal(history_tree_new(&t, h, &err), 0);
	for (size_t i = 0; i < n; i++) {
		unsigned parent = pick((unsigned)i + 1);

		if (pick(3) == 0)
			history_tree_rewind(t, parent ? said[parent - 1] : NULL);
		say_anything(t);
		said[i] = history_tree_leaf(t);
	}
	assert_int_equal(history_tree_go(t, said[pick((unsigned)n)], &err), 0);
	id = history_tree_conversation(t);
	history_tree_free(t);
	if (pick(2))
		assert_int_equal(history_set_title(h, id, STR_LIT("A title"),
						   (enum history_title_from)pick(3), &err),
				 0);
	assert_int_equal(history_set_pinned(h, id, pick(2), &err), 0);
	assert_int_equal(history_set_archived(h, id, pick(2), &err), 0);
	return id;
}

/* -- comparing ------------------------------------------------------------------------ */

static void same_str(struct str a, struct str b)
{
	assert_int_equal(a.n, b.n);
	assert_true(a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void same_run(const struct history_run *a, const struct history_run *b)
{
	struct history_run x = *a, y = *b;
	const char **wx[] = {&x.model, &x.identity, &x.build, &x.device, &x.effort,
			      &x.prefill, &x.drafts, &x.stop};
	const char **wy[] = {&y.model, &y.identity, &y.build, &y.device, &y.effort,
			      &y.prefill, &y.drafts, &y.stop};

	y.identity = x.identity; /* the caller's */
	for (size_t i = 0; i < sizeof(wx) / sizeof(wx[0]); i++) {
		assert_string_equal(*wx[i], *wy[i]);
		*wx[i] = *wy[i] = NULL;
	}
	assert_memory_equal(&x, &y, sizeof(x));
}

static void same_message(const struct history_message *a, const struct history_message *b)
{
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->depth, b->depth);
	assert_int_equal(a->n_parts, b->n_parts);
	for (size_t i = 0; i < a->n_parts; i++) {
		assert_int_equal(a->parts[i].kind, b->parts[i].kind);
		same_str(a->parts[i].name, b->parts[i].name);
		same_str(a->parts[i].ref, b->parts[i].ref);
		same_str(a->parts[i].text, b->parts[i].text);
		same_str(a->parts[i].info, b->parts[i].info);
	}
	/* What came in claims its ids, and is not taken at its word. */
	assert_non_null(b->foreign);
	assert_null(b->ids);
	assert_int_equal(b->n_ids, 0);
	assert_int_equal(a->n_ids, b->foreign->n_ids);
	for (size_t i = 0; i < a->n_ids; i++)
		assert_int_equal(a->ids[i], b->foreign->ids[i]);
	if (b->run)
		assert_string_equal(b->run->identity, "");
	assert_string_equal(b->foreign->identity, a->run ? a->run->identity : "");
	assert_int_equal(a->run != NULL, b->run != NULL);
	if (a->run)
		same_run(a->run, b->run);
}

static size_t place_of(const struct history_tree *t, const struct history_message *m)
{
	size_t n = 0;

	for (const struct history_message *p = NULL; m && (p = history_tree_each(t, p));) {
		n++;
		if (p == m)
			return n;
	}
	return 0;
}

static void same_tree(struct history *ha, int64_t ida, struct history *hb, int64_t idb)
{
	const struct history_message *a = NULL, *b = NULL;
	struct history_list la, lb;
	struct history_tree *ta, *tb;

	assert_int_equal(history_get(ha, ida, &la, &err), 0);
	assert_int_equal(history_get(hb, idb, &lb, &err), 0);
	assert_string_equal(la.items[0].title, lb.items[0].title);
	assert_string_equal(la.items[0].uid, lb.items[0].uid);
	assert_int_equal(la.items[0].title_from, lb.items[0].title_from);
	assert_int_equal(la.items[0].pinned, lb.items[0].pinned);
	assert_int_equal(la.items[0].archived, lb.items[0].archived);
	assert_int_equal(la.items[0].created_ms, lb.items[0].created_ms);
	assert_int_equal(la.items[0].updated_ms, lb.items[0].updated_ms);
	history_list_release(&la);
	history_list_release(&lb);
	assert_int_equal(history_tree_open(&ta, ha, ida, &err), 0);
	assert_int_equal(history_tree_open(&tb, hb, idb, &err), 0);
	for (;;) {
		a = history_tree_each(ta, a);
		b = history_tree_each(tb, b);
		assert_int_equal(a != NULL, b != NULL);
		if (!a)
			break;
		same_message(a, b);
		assert_int_equal(place_of(ta, a->parent), place_of(tb, b->parent));
	}
	assert_int_equal(place_of(ta, history_tree_leaf(ta)),
			 place_of(tb, history_tree_leaf(tb)));
	history_tree_free(ta);
	history_tree_free(tb);
}

/* -- in ---------------------------------------------------------------------------- */

static void any_tree_comes_back_as_it_was(void **state)
{
	int rounds = getenv("DSV4CHAT_SLOW") ? 500 : 100;

	(void)state;
	for (int i = 0; i < rounds; i++) {
		unsigned seed = (unsigned)i * 2654435761u;
		struct history *from = open_store(), *to = open_store();
		struct buf lines = {0}, again = {0}, problems = {0};
		struct history_imported done = {0};
		struct history_list list;
		size_t n = 0;
		int64_t id;

		chance = seed;
		id = any_conversation(from);
		assert_int_equal(history_export(from, id, HISTORY_JSONL, &lines, &err), 0);
		if (store_import(to, buf_str(&lines), &done, &err))
			fail_msg("round %d: %s", i, err.text);
		assert_int_equal(done.n_new, 1);
		/* A second time, there and where it came from, nothing is new. */
		assert_int_equal(store_import(to, buf_str(&lines), &done, &err), 0);
		assert_int_equal(done.n_known, 1);
		assert_int_equal(store_import(from, buf_str(&lines), &done, &err), 0);
		assert_int_equal(done.n_known, 1);
		assert_int_equal(history_list(to, HISTORY_ALL, 0, &list, &err), 0);
		assert_int_equal(list.n, 1);
		same_tree(from, id, to, list.items[0].id);
		assert_int_equal(
			history_export(to, list.items[0].id, HISTORY_JSONL, &again, &err), 0);
		store_drop_foreign(&again);
		assert_string_equal(buf_z(&lines), buf_z(&again));
		assert_int_equal(history_verify(to, &problems, &n, &err), 0);
		assert_int_equal(n, 0);
		history_list_release(&list);
		history_close(from);
		history_close(to);
		buf_release(&lines);
		buf_release(&again);
		buf_release(&problems);
	}
}

/* An export of which a byte is another, is missing or is there twice: taken or refused. */
static void a_bent_export_is_taken_or_refused_and_leaves_a_sound_file(void **state)
{
	int rounds = getenv("DSV4CHAT_SLOW") ? 5000 : 1000;
	struct history *from = open_store(), *to = open_store();
	struct buf lines = {0}, problems = {0};
	int n_refused = 0;
	size_t n;

	(void)state;
	chance = 5;
	while (lines.len < 4000)
		assert_int_equal(history_export(from, any_conversation(from), HISTORY_JSONL,
						&lines, &err),
				 0);
	for (int i = 0; i < rounds; i++) {
		struct buf bent = {0};
		size_t at = pick((unsigned)lines.len);
		unsigned how = pick(3);

		buf_add(&bent, lines.data, at);
		if (how != 1)
			buf_addc(&bent, how ? lines.data[at] : (char)pick(256));
		buf_add(&bent, lines.data + at + (how != 2), lines.len - at - (how != 2));
		if (store_import(to, buf_str(&bent), NULL, &err)) {
			if (err.code != ERR_USAGE)
				fail_msg("round %d: %s", i, err.text);
			n_refused++;
		}
		buf_release(&bent);
	}
	assert_true(n_refused > rounds / 10);
	assert_int_equal(history_verify(to, &problems, &n, &err), 0);
	if (n)
		fail_msg("%s", buf_z(&problems));
	history_close(from);
	history_close(to);
	buf_release(&lines);
	buf_release(&problems);
}

#define HEAD(uid, leaf)                                                                        \
	"{\"type\": \"conversation\", \"format\": 1, \"id\": \"" uid "\", \"title\": \"t\","   \
	" \"title_from\": \"user\", \"created_ms\": 1, \"updated_ms\": 2, \"leaf\": " leaf     \
	"}\n"
#define MESSAGE(n, parent)                                                                     \
	"{\"type\": \"message\", \"n\": " n ", \"parent\": " parent ", \"role\": \"user\","    \
	" \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"hi\"}]}\n"
#define OTHER(n, parent)                                                                       \
	"{\"type\": \"message\", \"n\": " n ", \"parent\": " parent ", \"role\": \"user\","    \
	" \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"ho\"}]}\n"

static void a_name_that_stands_twice_goes_to_the_first(void **state)
{
	struct history *h = open_store();
	struct history_list list;
	struct history_imported n = {0};

	(void)state;
	assert_int_equal(store_import(h,
				      STR_LIT(HEAD("0123456789", "1") MESSAGE("1", "0")
						      HEAD("0123456789", "1") OTHER("1", "0")),
				      &n, &err),
			 0);
	assert_int_equal(n.n_new, 2);
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 2);
	assert_string_not_equal(list.items[0].uid, list.items[1].uid);
	assert_string_equal(list.items[1].uid, "0123456789");
	history_list_release(&list);
	history_close(h);
}

static void the_same_conversation_is_known_and_a_longer_one_is_gone_on_with(void **state)
{
	static const struct {
		const char *text;
		size_t n_new, n_grown, n_known; /* of this import */
		size_t n_messages, n_branch;    /* there are then */
	} cases[] = {
		{HEAD("0123456789", "1") MESSAGE("1", "0"), 1, 0, 0, 1, 1},
		{HEAD("0123456789", "1") MESSAGE("1", "0"), 0, 0, 1, 1, 1},
		{HEAD("0123456789", "2") MESSAGE("1", "0") OTHER("2", "1"), 0, 1, 0, 2, 2},
		{HEAD("0123456789", "1") MESSAGE("1", "0"), 0, 0, 1, 2, 2},
		/* a sibling that was said elsewhere: it is there, the branch shown stays */
		{HEAD("0123456789", "2") MESSAGE("1", "0") MESSAGE("2", "1"), 0, 1, 0, 3, 2},
		/* twins */
		{HEAD("0123456789", "3") MESSAGE("1", "0") OTHER("2", "1") OTHER("3", "1"), 0,
		 1, 0, 4, 2},
		{HEAD("0123456789", "3") MESSAGE("1", "0") OTHER("2", "1") OTHER("3", "1"), 0,
		 0, 1, 4, 2},
		{"\xef\xbb\xbf" HEAD("0123456789", "1") "\r\n\n" MESSAGE("1", "0"), 0, 0, 1, 4,
		 2},
	};
	struct history *h = open_store();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct history_imported done;
		const struct history_message *m = NULL;
		struct history_tree *t;
		size_t n = 0, n_branch;
		int64_t id;

		if (store_import(h, str_of(cases[i].text), &done, &err))
			fail_msg("%zu: %s", i, err.text);
		if (done.n_new != cases[i].n_new || done.n_grown != cases[i].n_grown ||
		    done.n_known != cases[i].n_known)
			fail_msg("%zu: %zu new, %zu grown, %zu known", i, done.n_new,
				 done.n_grown, done.n_known);
		assert_int_equal(history_find(h, "0123456789", &id, &err), 0);
		assert_int_equal(history_tree_open(&t, h, id, &err), 0);
		while ((m = history_tree_each(t, m)))
			n++;
		history_tree_path(t, &n_branch);
		if (n != cases[i].n_messages || n_branch != cases[i].n_branch)
			fail_msg("%zu: %zu messages, %zu shown", i, n, n_branch);
		history_tree_free(t);
	}
	history_close(h);
}

static void numbers_beyond_every_bound_are_refused(void **state)
{
	static const char *const texts[] = {
		HEAD("0123456789", "2") MESSAGE("1", "0"),
		HEAD("0123456789", "-1") MESSAGE("1", "0"),
		HEAD("0123456789", "9223372036854775807") MESSAGE("1", "0"),
		HEAD("0123456789", "9223372036854775808") MESSAGE("1", "0"),
		HEAD("0123456789", "1") MESSAGE("1", "9223372036854775807"),
		HEAD("0123456789", "1") MESSAGE("1e0", "0"),
		HEAD("0123456789", "1") MESSAGE("1", "0") MESSAGE("2", "2"),
		HEAD("0123456789", "1") MESSAGE("1", "0") MESSAGE("3", "1"),
	};
	struct history *h = open_store();
	struct history_list list;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (store_import(h, str_of(texts[i]), NULL, &err) != ERR_USAGE)
			fail_msg("taken: %s", texts[i]);
	}
	assert_int_equal(history_list(h, HISTORY_ALL, 0, &list, &err), 0);
	assert_int_equal(list.n, 0);
	history_list_release(&list);
	history_close(h);
}

/* Brackets in brackets, one long line, one long text. */
static void lines_beyond_all_measure_end_soon(void **state)
{
	size_t most = getenv("DSV4CHAT_SLOW") ? (size_t)100 << 20 : (size_t)8 << 20;
	struct history *h = open_store();
	struct buf line = {0};
	clock_t began = clock();
	struct history_imported n = {0};

	(void)state;
	while (line.len < most)
		buf_addz(&line, "[[[[[[[[[[[[[[[[");
	assert_int_equal(store_import(h, buf_str(&line), NULL, &err), ERR_USAGE);
	buf_reset(&line);
	while (line.len < most)
		buf_addz(&line, "{\"type\": ");
	assert_int_equal(store_import(h, buf_str(&line), NULL, &err), ERR_USAGE);
	buf_reset(&line);
	buf_addz(&line, HEAD("0123456789", "1"));
	buf_addz(&line, "{\"type\": \"message\", \"n\": 1, \"parent\": 0, \"role\": \"user\","
			" \"created_ms\": 3, \"parts\": [{\"kind\": \"text\", \"text\": \"");
	while (line.len < most)
		buf_addz(&line, "a long text, ");
	buf_addz(&line, "\"}]}\n");
	if (store_import(h, buf_str(&line), &n, &err))
		fail_msg("%s", err.text);
	assert_int_equal(n.n_new, 1);
	assert_in_range(clock() - began, 0, 60 * CLOCKS_PER_SEC);
	history_close(h);
	buf_release(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_tree_comes_back_as_it_was),
		cmocka_unit_test(a_bent_export_is_taken_or_refused_and_leaves_a_sound_file),
		cmocka_unit_test(a_name_that_stands_twice_goes_to_the_first),
		cmocka_unit_test(
			the_same_conversation_is_known_and_a_longer_one_is_gone_on_with),
		cmocka_unit_test(numbers_beyond_every_bound_are_refused),
		cmocka_unit_test(lines_beyond_all_measure_end_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
