/*
 * Experts that the host computes for a GPU: the CPU's backend computes a part of a row's
 * experts, and the thread that has it do so answers whoever plays the GPU.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "kernels/cuda/hosted.h"
#include "kernels/ops.h"

#define D        160
#define INNER    96
#define N_EXPERT 6
#define N_USED   3
#define ROWS     4

static uint32_t seed = 5;

static uint32_t draw(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

/* ------------------------------------------------------------------- a call */

static struct {
	struct expert_weights e[N_EXPERT], shared;
	float x[ROWS * D], weight[ROWS * N_USED], y[ROWS * D];
	int32_t expert[ROWS * N_USED];
	struct experts_args args;
} k;

static unsigned char *bytes(size_t n, uint32_t least, uint32_t range)
{
	unsigned char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(least + draw() % range);
	return p;
}

static void make_weight(struct weight *w, enum weight_type type, int out, int in)
{
	size_t n = (size_t)out * (size_t)in;

	*w = (struct weight){.type = type, .out = out, .in = in};
	if (type == WEIGHT_FP4) {
		w->w = bytes(n / 2, 0, 256);
		w->scale = bytes(n / 32, 120, 4);
	} else {
		w->w = bytes(n, 0, 0x70);
		w->scale = bytes((size_t)((out + 127) / 128 * ((in + 127) / 128)), 120, 4);
	}
}

static void make_expert(struct expert_weights *e, enum weight_type type)
{
	make_weight(&e->w1, type, INNER, D);
	make_weight(&e->w2, type, D, INNER);
	make_weight(&e->w3, type, INNER, D);
}

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < N_EXPERT; i++)
		make_expert(&k.e[i], WEIGHT_FP4);
	make_expert(&k.shared, WEIGHT_F8);
	for (int i = 0; i < ROWS * D; i++)
		k.x[i] = (float)(int)(draw() % 2001 - 1000) / 1000;
	for (int i = 0; i < ROWS * N_USED; i++) {
		k.weight[i] = (float)(draw() % 1000) / 1000;
		k.expert[i] = i / N_USED % 3 + i % N_USED; /* ascending */
	}
	k.args = (struct experts_args){
		.n_tok = ROWS,
		.d = D,
		.inner = INNER,
		.n_expert = N_EXPERT,
		.n_used = N_USED,
		.limit = 3,
		.experts = k.e,
		.shared = &k.shared,
		.x = (dbuf)(void *)k.x,
		.expert = (dbuf)(void *)k.expert,
		.weight = (dbuf)(void *)k.weight,
		.y = (dbuf)(void *)k.y,
	};
	return 0;
}

static void free_expert(struct expert_weights *e)
{
	struct weight *w[] = {&e->w1, &e->w2, &e->w3};

	for (int i = 0; i < 3; i++) {
		free(w[i]->w);
		free(w[i]->scale);
	}
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < N_EXPERT; i++)
		free_expert(&k.e[i]);
	free_expert(&k.shared);
	return 0;
}

static struct backend *open_cpu(void)
{
	const struct backend_options o = {.n_threads = 2};
	struct backend *be;
	struct err err;

	if (backend_open_cpu(&be, &o, &err))
		fail_msg("%s", err.text);
	return be;
}

/* y of these choices, with the shared expert or without, on the CPU. */
static void compute(const int32_t *expert, const struct expert_weights *shared, float *y)
{
	struct backend *be = open_cpu();
	struct experts_args a = k.args;
	struct err err;

	a.expert = (dbuf)(uintptr_t)expert;
	a.shared = shared;
	a.y = (dbuf)(void *)y;
	if (be->ops->experts(be, &a, &err))
		fail_msg("%s", err.text);
	be->close(be);
}

/* -------------------------------------------------------------- parts of a row */

static void a_part_of_the_experts_adds_up_with_the_rest(void **state)
{
	static float all[ROWS * D], routed[ROWS * D], shared[ROWS * D];
	int32_t none[ROWS * N_USED];

	(void)state;
	memset(none, 0xff, sizeof(none));
	memset(routed, 0xff, sizeof(routed));
	memset(shared, 0xff, sizeof(shared));
	compute(k.expert, &k.shared, all);
	compute(k.expert, NULL, routed);
	compute(none, &k.shared, shared);
	/* the shared one is the last that is added */
	for (int i = 0; i < ROWS * D; i++)
		assert_true(all[i] == routed[i] + shared[i] && all[i] != shared[i]);
	compute(none, NULL, all);
	for (int i = 0; i < ROWS * D; i++)
		assert_true(all[i] == 0);
}

static void a_choice_that_is_none_changes_no_other(void **state)
{
	static float y[N_USED][ROWS * D], all[ROWS * D];
	int32_t one[ROWS * N_USED];

	(void)state;
	for (int s = 0; s < N_USED; s++) {
		for (int i = 0; i < ROWS * N_USED; i++)
			one[i] = i % N_USED == s ? k.expert[i] : -1;
		compute(one, NULL, y[s]);
	}
	compute(k.expert, NULL, all);
	for (int i = 0; i < ROWS * D; i++)
		assert_true(all[i] == y[0][i] + y[1][i] + y[2][i]);
}

/* -------------------------------------------------------------------- the mail */

static struct hosted_mail mail;

static struct hosted *begin(void)
{
	struct hosted *h;
	struct err err;

	memset(&mail, 0, sizeof(mail));
	if (hosted_new(&h, open_cpu(), &mail, &err))
		fail_msg("%s", err.text);
	return h;
}

/* The number of this job. */
static uint32_t job_of(struct hosted *h, const struct experts_args *a)
{
	struct err err;
	uint32_t job;

	assert_int_equal(hosted_job(h, a, &job, &err), 0);
	return job;
}

/* For a question that is to come late. */
static void pass_time(void)
{
	const struct timespec pause = {0, 20000000};

	nanosleep(&pause, NULL);
}

static void put_asked(uint32_t number, uint32_t job, int n)
{
	__atomic_store_n(&mail.asked, (uint64_t)number << 32 | job << 8 | (uint32_t)n,
			 __ATOMIC_RELEASE);
}

/* What the GPU does: n rows, of which slot 0 is its own. */
static void ask(uint32_t number, uint32_t job, int n)
{
	for (int i = 0; i < n * N_USED; i++)
		mail.expert[i] = i % N_USED ? k.expert[i] : -1;
	memcpy(mail.weight, k.weight, (size_t)n * N_USED * sizeof(float));
	memcpy(mail.x, k.x, (size_t)n * D * sizeof(float));
	memset(mail.y, 0xff, (size_t)n * D * sizeof(float));
	put_asked(number, job, n);
}

static void await(uint32_t number)
{
	const struct timespec moment = {0, 100000};

	for (int i = 0; i < 100000; i++) {
		if (__atomic_load_n(&mail.answered, __ATOMIC_ACQUIRE) == number)
			return;
		nanosleep(&moment, NULL);
	}
	fail_msg("no answer to question %u", number);
}

/* Of n rows. */
static void expect_answer(uint32_t number, int n)
{
	static float y[ROWS * D];
	int32_t expert[ROWS * N_USED];

	await(number);
	for (int i = 0; i < ROWS * N_USED; i++)
		expert[i] = i % N_USED ? k.expert[i] : -1;
	compute(expert, NULL, y);
	assert_memory_equal(mail.y, y, (size_t)n * D * sizeof(float));
}

static void each_question_gets_its_answer(void **state)
{
	struct hosted *h = begin();
	struct experts_args other = k.args;
	uint32_t job = job_of(h, &k.args);
	struct err err;

	(void)state;
	other.limit = 4;
	assert_int_not_equal(job_of(h, &other), job);
	assert_int_equal(job_of(h, &k.args), job);
	hosted_due(h, 2 * ROWS);
	for (int n = 1; n <= ROWS; n++) {
		/* one for which nothing is computed comes and goes; the next may overtake it */
		ask((uint32_t)(2 * n - 1), job, 0);
		ask((uint32_t)(2 * n), job, n);
		expect_answer((uint32_t)(2 * n), n);
	}
	assert_int_equal(hosted_told(h, &err), 0);
	hosted_free(h);
}

static void a_question_that_comes_late_is_answered(void **state)
{
	struct hosted *h = begin();
	uint32_t job = job_of(h, &k.args);

	(void)state;
	ask(1, job, 1); /* before it is due, as a launch is told of once it has been made */
	pass_time();
	hosted_due(h, 2);
	expect_answer(1, 1);
	pass_time();
	ask(2, job, 2);
	expect_answer(2, 2);
	hosted_free(h);
}

/* A step of Flash has 43 questions: after some days of them. */
static void numbers_begin_anew_behind_the_last(void **state)
{
	struct hosted *h = begin();
	uint32_t job = job_of(h, &k.args);

	(void)state;
	assert_int_equal(job, 0);
	hosted_due(h, 3);
	ask(UINT32_MAX, job, 1);
	await(UINT32_MAX);
	put_asked(0, job, 0); /* all of it is 0, and it is a question */
	pass_time();
	ask(1, job, 2);
	expect_answer(1, 2);
	hosted_free(h);
}

static void what_fails_is_answered_and_told_once(void **state)
{
	struct hosted *h = begin();
	struct experts_args odd = k.args;
	struct err err;
	uint32_t job;

	(void)state;
	odd.inner = INNER - 1;
	job = job_of(h, &odd);
	hosted_due(h, 3);
	ask(1, job, 1);
	await(1);
	assert_int_equal(hosted_told(h, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "experts on the host: experts: 95 x 160"));
	assert_int_equal(hosted_told(h, &err), 0);
	ask(2, 77, 1); /* no such job */
	await(2);
	assert_int_equal(hosted_told(h, &err), ERR_FAILED);
	put_asked(3, job, HOSTED_ROWS + 1);
	await(3);
	assert_int_equal(hosted_told(h, &err), ERR_FAILED);
	mail.late = 7;
	assert_int_equal(hosted_told(h, &err), ERR_MODEL);
	assert_non_null(strstr(err.text, "question 7"));
	assert_int_equal(hosted_told(h, &err), 0);
	odd = k.args;
	odd.d = HOSTED_COLUMNS + 32;
	assert_int_equal(hosted_job(h, &odd, &job, &err), ERR_MODEL);
	odd = k.args;
	odd.n_used = HOSTED_USED + 1;
	assert_int_equal(hosted_job(h, &odd, &job, &err), ERR_MODEL);
	hosted_free(h);
}

/* As where the device is lost. */
static void it_ends_while_questions_are_due(void **state)
{
	struct hosted *h = begin();

	(void)state;
	hosted_due(h, 1000);
	hosted_free(h);
	hosted_free(begin());
	hosted_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_of_the_experts_adds_up_with_the_rest),
		cmocka_unit_test(a_choice_that_is_none_changes_no_other),
		cmocka_unit_test(each_question_gets_its_answer),
		cmocka_unit_test(a_question_that_comes_late_is_answered),
		cmocka_unit_test(numbers_begin_anew_behind_the_last),
		cmocka_unit_test(what_fails_is_answered_and_told_once),
		cmocka_unit_test(it_ends_while_questions_are_due),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
