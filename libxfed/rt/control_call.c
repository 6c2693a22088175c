#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control_internal.h"
#include "xfed/mem.h"
#include "xfed/rt/log.h"

struct rt_control_call {
	struct control_client *client; /* NULL: gone */
	struct rt_control_peer peer;
	const struct rt_control_command *command; /* NULL: none was found */
	char *args;				  /* for the audit line; NULL where the command changes nothing */
};

const struct rt_control_peer *rt_control_call_peer(const struct rt_control_call *call)
{
	return &call->peer;
}

static void audit(const struct rt_control_call *call, const char *result)
{
	if (call->command && call->command->needs_admin) {
		rt_log(RT_LOG_INFO, "audit.command", RT_KV_U64("uid", call->peer.uid), RT_KV_U64("gid", call->peer.gid),
			RT_KV_I64("pid", call->peer.pid), RT_KV_STR("noun", call->command->noun),
			RT_KV_STR("verb", call->command->verb[0] ? call->command->verb : NULL), RT_KV_STR("args", call->args),
			RT_KV_STR("result", result), RT_END);
	}
}

/* Steals `answer`; NULL: out of memory. */
static void finish(struct rt_control_call *call, json_t *answer)
{
	struct control_client *c = call->client;
	if (c) {
		char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
		c->call = NULL;
		control_client_answer(c, text);
	}
	json_decref(answer);
	free(call->args);
	xfed_free(call);
}

static void fail(struct rt_control_call *call, const char *code, const char *text)
{
	audit(call, code);
	finish(call, json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", code, "text", text));
}

void rt_control_reply(struct rt_control_call *call, json_t *result)
{
	if (!result) {
		fail(call, "failed", "out of memory");
		return;
	}
	if (json_dumpb(result, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII) > RT_CONTROL_REPLY_BYTES) {
		json_decref(result);
		fail(call, "failed", "the answer is too large");
		return;
	}
	/* A command may work and say that what it was asked for did not (reload): the audit line tells. */
	audit(call, json_is_false(json_object_get(result, "ok")) ? "failed" : "ok");
	finish(call, json_pack("{s:b, s:o}", "ok", 1, "result", result));
}

void rt_control_fail(struct rt_control_call *call, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fail(call, code, text);
}

void control_call_abandon(struct control_client *c)
{
	if (c->call) {
		c->call->client = NULL;
		c->call = NULL;
	}
}

static const struct rt_control_command *find_command(const struct rt_control *control, const char *noun, const char *verb)
{
	for (const struct rt_control_command *cmd = control->commands; cmd->noun; cmd++) {
		if (strcmp(cmd->noun, noun) == 0 && strcmp(cmd->verb, verb) == 0) {
			return cmd;
		}
	}
	return NULL;
}

static void run(struct rt_control_call *call, const json_t *request)
{
	const json_t *verb = json_object_get(request, "verb");
	json_t *args = json_incref(json_object_get(request, "args"));
	args = args ? args : json_object();
	struct rt_control *control = call->client->control;
	call->command = find_command(control, json_string_value(json_object_get(request, "noun")), verb ? json_string_value(verb) : "");
	if (!args) {
		rt_control_fail(call, "failed", "out of memory");
	} else if (!call->command) {
		rt_control_fail(call, "unknown-command", "this service has no such command");
	} else if (call->command->needs_admin && !call->peer.is_admin) {
		rt_log(RT_LOG_WARNING, "audit.refused", RT_KV_U64("uid", call->peer.uid), RT_KV_I64("pid", call->peer.pid),
			RT_KV_STR("noun", call->command->noun), RT_KV_STR("verb", call->command->verb), RT_END);
		call->command = NULL;
		rt_control_fail(call, "not-authorised", "only root and members of xfed-admin may change something");
	} else {
		if (call->command->needs_admin) {
			call->args = json_dumps(args, JSON_COMPACT | JSON_ENSURE_ASCII);
		}
		call->command->handler(call, args, control->user);
	}
	json_decref(args);
}

void control_call_start(struct control_client *c, struct xfed_span line)
{
	char error[160];
	json_t *request;
	struct rt_control_call *call = xfed_calloc(1, sizeof(*call));
	if (!call) {
		control_client_answer(c, NULL);
		return;
	}
	call->client = c;
	call->peer = c->peer;
	c->call = call;
	if (rt_control_parse(line, &request, error) != XFED_OK) {
		rt_control_fail(call, "bad-request", "%s", error);
		return;
	}
	run(call, request);
	json_decref(request);
}
