/* An agent, and what it needs around it, with a runner that plays a script. */
#include "tests/support/scripted_agent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct err err;

static struct rules *rules_of(const char *const texts[3])
{
	struct rules *r;

	assert_int_equal(rules_new(&r, STR_LIT("/work"), &err), 0);
	for (int says = 0; says < 3; says++)
		if (texts[says] &&
		    rules_add(r, (enum rule_says)says, str_of(texts[says]), &err) != 0)
			fail_msg("%s", err.text);
	return r;
}

void scripted_agent_open(struct scripted_agent *a, const struct scripted_agent_setup *su,
			 const struct agent_ops *ops, void *ctx)
{
	struct agent_config c = {.place = {.workspace = "/"},
				 .mode = su->mode,
				 .refused = 3,
				 .rounds = su->rounds ? su->rounds : 25};

	*a = (struct scripted_agent){0};
	assert_int_equal(
		runner_start_scripted(&a->runner, str_of(su->jobs ? su->jobs : ""), &err), 0);
	assert_int_equal(tool_set_new(&a->tools, &su->tools, &err), 0);
	c.runner = a->runner;
	c.tools = a->tools;
	c.rules = a->rules = rules_of(su->rules);
	assert_int_equal(agent_open(&a->agent, &c, ops, ctx, &err), 0);
	assert_int_equal(talks_add(&a->talks, &a->talk, &err), 0);
	talk_say(a->talk, talk_message_say(CHAT_USER, STR_LIT("q"), &err), 1);
	agent_begin(a->agent);
}

void scripted_agent_close(struct scripted_agent *a)
{
	agent_close(a->agent);
	runner_close(a->runner);
	tool_set_free(a->tools);
	rules_free(a->rules);
	talks_release(&a->talks);
}

void scripted_agent_await(struct scripted_agent *a)
{
	struct pollfd fd;

	assert_int_equal(agent_fds(a->agent, &fd, 1), 1);
	assert_int_equal(poll(&fd, 1, 10000), 1);
	agent_poll(a->agent);
}
