/* What needs no question: told, and changed by the user. */
#include "app/agent/machine.h"

#include <stdlib.h>
#include <string.h>

#include "app/allowed.h"

int agent_keep_rules(const struct agent *a, struct str rules, struct err *err)
{
	return allowed_add(a->config.place.workspace, rules, err);
}

static void add_rule(const struct agent *a, size_t i, struct str rule, int *n, struct buf *out)
{
	static const char *const froms[] = {[RULES_OPTIONS] = "",
					    [RULES_SESSION] = "  (this session)",
					    [RULES_HERE] = "  (always here)"};
	enum rules_from from = rules_from(a->config.rules, i);

	if (from == RULES_OPTIONS)
		buf_addz(out, "     ");
	else
		buf_addf(out, "%3d  ", ++*n);
	buf_adds(out, rule);
	buf_addf(out, "%s\n", froms[from]);
}

static void add_all(const struct agent *a, const struct options *opt, struct buf *out)
{
	enum rule_says says;
	struct str rule;
	int n = 0;

	buf_addz(out, "approve: ");
	option_get(opt, option_find("approve"), out);
	buf_addc(out, '\n');
	for (size_t i = 0; a->config.rules && (rule = rules_at(a->config.rules, i, &says)).n;
	     i++)
		add_rule(a, i, rule, &n, out);
	if (n)
		buf_addz(out, "/approve rm N takes one back\n");
}

/* The nth of those that the user's answers made, from 1. */
static bool find_learned(const struct rules *r, unsigned long n, size_t *at)
{
	enum rule_says says;

	for (*at = 0; r && rules_at(r, *at, &says).n; ++*at)
		if (rules_from(r, *at) != RULES_OPTIONS && --n == 0)
			return true;
	return false;
}

static int remove_rule(struct agent *a, const char *arg, struct buf *out, struct err *err)
{
	static const char before[] = "allow = ";
	char *end = NULL;
	unsigned long n = *arg >= '1' && *arg <= '9' ? strtoul(arg, &end, 10) : 0;
	enum rule_says says;
	struct buf rule = {0};
	size_t at;
	int rc = 0;

	if (!end || *end || !find_learned(a->config.rules, n, &at))
		return err_set(err, ERR_USAGE,
			       "/approve rm %.40s: expected the number of a rule, as "
			       "/approve has it",
			       arg);
	buf_adds(&rule, rules_at(a->config.rules, at, &says));
	if (rules_from(a->config.rules, at) == RULES_HERE)
		rc = allowed_remove(
			a->config.place.workspace,
			(struct str){buf_z(&rule) + strlen(before), rule.len - strlen(before)},
			err);
	if (!rc) {
		/* A call that runs on its word may be asked about yet. */
		if (a->rule.p == rules_at(a->config.rules, at, &says).p)
			a->rule = (struct str){0};
		rules_forget(a->config.rules, at);
		buf_addf(out, "no longer: %s\n", buf_z(&rule));
	}
	buf_release(&rule);
	return rc;
}

int agent_approve(struct agent *a, struct options *opt, const char *arg, struct buf *out,
		  struct err *err)
{
	int rc;

	if (!a)
		return err_set(err, ERR_USAGE,
			       "/approve: this session offers no tools (--tools)");
	if (strncmp(arg, "rm ", 3) == 0)
		return remove_rule(a, arg + 3 + strspn(arg + 3, " "), out, err);
	if (!*arg) {
		add_all(a, opt, out);
		return 0;
	}
	rc = option_set(opt, option_find("approve"), arg, err);
	if (rc)
		return rc;
	agent_set_mode(a, (enum agent_mode)opt->approve);
	buf_addf(out, "approve: %s\n", arg);
	return 0;
}
