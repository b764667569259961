/* The phases' names, and their clock: the backend's or the host's. */
#include "engine/pass/phases.h"

#include "engine/base/clock.h"
#include "engine/pass/model_internal.h"

const char *phase_name(enum phase p)
{
	static const char *const names[N_PHASES] = {
		[PHASE_START] = "start",         [PHASE_MHC] = "mHC",
		[PHASE_ATTENTION] = "attention", [PHASE_COMPRESSOR] = "compressor",
		[PHASE_CACHE] = "cache",         [PHASE_ROUTER] = "router",
		[PHASE_EXPERTS] = "experts",     [PHASE_HEAD] = "head",
		[PHASE_DRAFT] = "draft",         [PHASE_RANKS] = "ranks",
	};

	return names[p];
}

void phases_start(struct model *m)
{
	m->clock.on = true;
	if (m->be->time_phases)
		m->be->time_phases(m->be, 1);
}

int phases_stop(struct model *m, struct err *err)
{
	int rc = 0;

	m->clock.on = false;
	if (m->be->time_phases) {
		rc = m->be->phase_seconds(m->be, m->clock.sum, N_PHASES, err);
		m->be->time_phases(m->be, 0);
	}
	return rc;
}

int phase_mark_slow(struct model *m, enum phase p, struct err *err)
{
	struct phase_clock *c = &m->clock;
	double now;

	if (c->drafting)
		p = PHASE_DRAFT;
	if (m->be->mark)
		return m->be->mark(m->be, (int)p, err);
	now = clock_s();
	c->sum[p] += now - c->last;
	c->last = now;
	return 0;
}
