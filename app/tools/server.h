/* Inside the process that runs tools: its job, and what its files do for each other. */
#ifndef APP_TOOLS_SERVER_H
#define APP_TOOLS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/tools/sandbox.h"
#include "app/tools/tools.h"
#include "app/tools/workspace.h"

#define SERVER_KILL_MS 3000

struct task {
	uint64_t id; /* 0: none */
	pid_t pid;
	bool command;
	bool applies; /* a change of a file: it is whole or not there, and takes no time */
	int sock;     /* to the warden; -1 */
	int result;   /* the memfd that a file tool writes to; -1 */
	int spill;
	unsigned n_spill;
	int64_t began_ms, due_ms; /* when it is killed */
	int64_t timeout_ms;
	bool stopped, timed_out;
	struct buf done; /* a warden's last word; it is told when the warden has ended */
};

struct server {
	int sock, signals;
	struct sandbox sandbox; /* around commands */
	int hold;               /* of its scratch folder; -1 */
	struct buf why;         /* it is no stronger one */
	struct workspace w;
	int spill_root, spills; /* -1: none */
	char spill_folder[80];  /* of the job; "": none */
	struct task task;
	struct buf waiting; /* a JOB_DONE that the socket had no room for */
	uint64_t waiting_id;
	bool has_waiting, gone;
};

/* runner_task.c: a job's life, from its spill file to its last word */

void task_none(struct server *s);
/* A file for whatever the job prints; where none can be had, it has none. */
void task_open_spill(struct server *s);
/* Nothing of it is left, whatever it was. */
void task_end(struct server *s, bool keeps_spill);
/* It is over: nothing of it is left when that is told. */
void task_finish(struct server *s, struct str body, bool keeps_spill);
void task_finish_with(struct server *s, enum tool_state state, const char *text);
/* The folder of the job's conversation, where it has one already. */
void task_find_spills(struct server *s, struct str name);
/* A last word that there was no room for. */
void task_send_waiting(struct server *s);

/* runner_file.c: a tool of files, as a function in a child */

void file_begin(struct server *s, const struct job *j);
void file_end(struct server *s, int status);

/* runner_command.c: a command, by its warden */

void command_begin(struct server *s, const struct job *j);
/* The warden's words go on as they are, once they are seen to be news. */
void command_hear(struct server *s);
void command_end(struct server *s);

#endif
