/*
 * Commands: what an operator may ask of a daemon, whoever carries the question (the control socket; later a panel).
 */
#ifndef XFED_RT_COMMAND_H
#define XFED_RT_COMMAND_H

#include <jansson.h>

#include "xfed/base.h"

/* Where the answer to one command goes. A value that is kept until then; `done` NULL: nobody waits for it. */
struct rt_reply {
	/* Either `result`, which is stolen, or `code` (see xfed/rt/control.h) and one sentence. */
	void (*done)(void *user, json_t *result, const char *code, const char *text);
	void *user;
};

/* Steals `result` (an object; NULL counts as out of memory). */
void rt_reply_ok(struct rt_reply r, json_t *result);
void rt_reply_fail(struct rt_reply r, const char *code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * Answers with exactly one of rt_reply_ok() and rt_reply_fail(), now or later from the loop thread. `args` is an object,
 * borrowed for the call of the handler.
 */
typedef void rt_command_handler(struct rt_reply reply, const json_t *args, void *user);

#endif
