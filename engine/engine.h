/*
 * The engine's seam: what screen, line mode, pipes and tools know of the
 * engine.  Two engines stand behind it: the real one, and a scripted one whose
 * answers come from a file, on which everything above is tested.
 *
 * An engine owns one thread.  Every call here returns at once (close joins the
 * thread, within one decode step); news comes as events (engine/event.h).
 * One turn runs at a time.  Calls may come from one thread only, the UI's.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/base/err.h"
#include "engine/chat.h"
#include "engine/event.h"

struct sampling {
	double temperature; /* 0 = greedy */
	double top_p;       /* 1 = all    */
	double min_p;       /* 0 = all; relative to the best token's probability */
	int top_k;          /* 0 = all    */
	uint64_t seed;
	int64_t max_tokens; /* that one turn produces, thinking included; 0 = to the context's end */
	int draft;          /* DRAFT_AUTO, DRAFT_OFF, or DRAFT_OFF + N: how many tokens a step drafts;
			       which tokens come does not depend on it */
};

enum { DRAFT_AUTO, DRAFT_OFF };

/* temperature 1, top_p 1, as the model's authors advise; the caller sets a seed. */
struct sampling sampling_default(void);

struct turn_request {
	struct chat chat;
	struct sampling sampling;
	/*
	 * Continue an unfinished answer: its ids so far, exactly as journalled (from
	 * <think> or </think> on).  Generation goes on after them; their text is not
	 * sent again.  Behind an end token nothing is left to generate: what its end
	 * decided is told again.  NULL: a fresh answer.
	 */
	const token_id *resume_ids;
	size_t n_resume_ids;
	/*
	 * An EV_CALL_CUT was told of its last call: how many ids were to close it, and why.
	 * Where the ids are there, it is cut again; else the call goes on.  0: none was.
	 */
	size_t n_resume_closing;
	struct str resume_why;
	/*
	 * How many bytes of its thinking and text the caller has, where the answer was cut
	 * without its last event (a crash): what the ids say beyond is sent first.  Not
	 * counted: the caller has all, with what the earlier turn decided at its end.
	 */
	bool resume_counted;
	size_t resume_thinking_bytes, resume_text_bytes;
	/*
	 * A fresh answer of `chat` begins with this text, and goes on from there: it is told as
	 * what the model said.  Before it there is no thinking.  "": with what the model says.
	 */
	struct str prefill;
	/*
	 * The conversation's name, of letters and digits: what is read and said is kept under it,
	 * until it is removed (forget), on disk as well; of a task only in memory.  Empty: it is
	 * nobody's, and kept in memory alone.
	 */
	struct str conversation;
	/* Instead of `chat`: continue this plain text (BOS + text), for Base models. */
	struct str raw;
	bool is_raw;
};

struct engine_info {
	char model_name[128];     /* directory's last component                       */
	char model_path[512];
	char identity[65];        /* names the weights: engine/checkpoint/identity.h   */
	char backend[64];         /* "cpu x86-64-v4, 2 threads"                       */
	int64_t ctx_tokens;       /* the context this engine was opened with          */
	int64_t vocab;
	int64_t weight_bytes, cache_bytes, scratch_bytes;
	double load_s;            /* that bringing in the weights took; 0: there are none */
	bool has_title_task;      /* the tokenizer knows <｜title｜>                    */
};

/* model_dir and cache_dir are copied; the other strings outlive the engine. */
struct engine_config {
	const char *model_dir;
	const char *backend;   /* "cpu", "cuda" or NULL for the best there is */
	const char *kernels;   /* GPU: "general", or NULL for those made for its chip */
	const char *moe_backend; /* GPU: "fused", "grouped", "reference", or NULL for its choice */
	const char *comm;      /* GPUs: how ranks add up: "peer", "nccl", or NULL for the best */
	int gpu;               /* which one; of several ranks, the first one's */
	int64_t gpu_memory_bytes; /* GPU: as if it had so much in all; 0 = what it has */
	int gpu_experts;       /* GPU: of each layer's experts, how many its own memory holds, the
				  rest lying in the host's; 0 = as many as fit */
	const char *experts;   /* GPU: what of that rest: "gpu": there may be none, "host": it is
				  read over the bus, "cpu": the host's processors compute it; NULL
				  for the faster of the last two */
	int n_threads;         /* CPU: 0 = one for each physical core */
	int n_ranks;           /* shards of the model that compute together; 0 = 1 */
	int64_t ctx_tokens;    /* 0 = the model's own limit, as far as memory allows */
	int prefill_chunk;     /* tokens; 0 = the backend's choice */
	int64_t kept_bytes;    /* memory for what is kept of conversations beside the one at
				  hand; 0 = an eighth of what the model leaves free */
	const char *cache_dir; /* where it outlives the program; NULL = nowhere */
	int64_t cache_bytes;   /* of that folder, at most */
};

/* As n_ranks: as many as there are GPUs, from `gpu` on, that the model can be cut for. */
#define RANKS_AUTO (-1)

struct engine;

struct engine_ops {
	/*
	 * Copies the request and starts it; *turn is its number (> 0).  ERR_USAGE while one runs;
	 * behind one that is cancelled it waits, and starts as soon as that has ended.
	 * Before EV_READY the turn waits for the load, and fails with it.
	 */
	int (*submit)(struct engine *e, const struct turn_request *req, uint64_t *turn,
		      struct err *err);
	/*
	 * What answering the request would read is told by EV_PRICE, with *number as its turn;
	 * `ahead`: then all that stands before its last message is read, which is charged to no
	 * turn, and where that changes the price it is told again.  A turn or another glance comes
	 * first, and ends it within a chunk.
	 * ERR_USAGE while a turn waits or runs.
	 */
	int (*glance)(struct engine *e, const struct turn_request *req, bool ahead,
		      uint64_t *number, struct err *err);
	/* The turn ends within one decode step or prefill chunk with STOP_INTERRUPTED. */
	void (*cancel)(struct engine *e, uint64_t turn);
	/* The model closes its thinking now and answers; nothing outside thinking. */
	void (*end_thinking)(struct engine *e, uint64_t turn);
	/*
	 * The call that the model writes is not wanted, however it goes on: it is closed as soon as
	 * it can be, and the answer ends with it (EV_CALL_CUT).  The ids that close it are the
	 * answer's as well, so that it can be replayed.  Nothing before a call was begun.
	 */
	void (*end_call)(struct engine *e, uint64_t turn);
	/* The conversation was removed: so is what was computed of it alone, as soon as no turn
	 * runs.  Closing waits for it. */
	void (*forget)(struct engine *e, struct str conversation);
	/* Valid from EV_READY to close; before that NULL. */
	const struct engine_info *(*info)(struct engine *e);
	void (*close)(struct engine *e); /* cancels, joins, frees */
};

/* The concrete engines embed this as their first member. */
struct engine {
	const struct engine_ops *ops;
	struct event_queue *events; /* owned by the engine; pop from it */
};

/* Starts loading: EV_LOAD…, then EV_READY or EV_ERROR (turn 0).  Fails only where no thread starts. */
int engine_open(struct engine **out, const struct engine_config *config, struct err *err);

/*
 * The scripted engine.  `script` is JSON Lines text, one step a line, turn by turn; its
 * format is described in engine/scripted/script.h.  A bad script is ERR_USAGE with the line number.
 */
int engine_open_scripted(struct engine **out, struct str script, struct err *err);

#endif
