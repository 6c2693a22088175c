#include <stdlib.h>

#include "control_internal.h"
#include "xfed/mem.h"
#include "xfed/rt/audit.h"
#include "xfed/rt/log.h"

struct control_call {
	struct control_client *client; /* NULL: disconnected */
	struct control_peer peer;
	const struct rt_command *command; /* NULL: unknown */
	json_t *args;			  /* for the audit line; NULL: it has none, or the command changes nothing */
};

/* Logs who changed something, or tried to without the right. */
static void audit(const struct control_call *call, const char *result)
{
	const struct rt_command *c = call->command;
	if (!c || !c->changes) {
		return;
	}
	const char *verb = c->verb[0] ? c->verb : NULL;
	char who[32];
	snprintf(who, sizeof(who), "uid %u", (unsigned)call->peer.uid);
	rt_audit_add_command(c, call->args, who, "control socket", result);
	if (strcmp(result, "not-authorised") == 0) {
		rt_log(RT_LOG_WARNING, "audit.refused", RT_KV_U64("uid", call->peer.uid), RT_KV_I64("pid", call->peer.pid),
			RT_KV_STR("noun", c->noun), RT_KV_STR("verb", verb), RT_END);
	} else {
		char *args = call->args ? json_dumps(call->args, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
		rt_log(RT_LOG_INFO, "audit.command", RT_KV_U64("uid", call->peer.uid), RT_KV_U64("gid", call->peer.gid),
			RT_KV_I64("pid", call->peer.pid), RT_KV_STR("noun", c->noun), RT_KV_STR("verb", verb), RT_KV_STR("args", args),
			RT_KV_STR("result", result), RT_END);
		free(args);
	}
}

/* Takes over `answer`; NULL: out of memory. */
static void finish(struct control_call *call, json_t *answer)
{
	struct control_client *c = call->client;
	if (c) {
		char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
		c->call = NULL;
		control_client_answer(c, text);
	}
	json_decref(answer);
	json_decref(call->args);
	xfed_free(call);
}

/* Sends a command's reply to the client, if it is still connected, and writes the audit line. */
static void on_reply(void *user, json_t *result, const char *code, const char *text)
{
	struct control_call *call = user;
	if (result && json_dumpb(result, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII) > RT_CONTROL_REPLY_BYTES) {
		json_decref(result);
		result = NULL;
		code = "failed";
		text = "the answer is too large";
	}
	if (result) {
		/* A command can succeed and report that what it did has failed (reload): the audit line says so. */
		audit(call, json_is_false(json_object_get(result, "ok")) ? "failed" : "ok");
		finish(call, json_pack("{s:b, s:o}", "ok", 1, "result", result));
	} else {
		audit(call, code);
		finish(call, json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", code, "text", text));
	}
}

static void on_part(void *user, json_t *part)
{
	const struct control_call *call = user;
	json_t *line = call->client ? json_pack("{s:O}", "part", part) : NULL;
	if (line) {
		control_client_part(call->client, json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII));
		json_decref(line);
	}
}

void control_call_abandon(struct control_client *c)
{
	if (c->call) {
		c->call->client = NULL;
		c->call = NULL;
	}
}

static void run(struct control_call *call, struct rt_reply reply, const json_t *request)
{
	struct control_client *c = call->client;
	struct rt_control *control = c->control;
	const json_t *args = json_object_get(request, "args");
	const char *verb = json_string_value(json_object_get(request, "verb"));
	call->command = rt_command_find(control->commands, json_string_value(json_object_get(request, "noun")), verb ? verb : "");
	if (!call->command || call->command->server == RT_COMMAND_OF_PANEL) {
		rt_reply_fail(reply, "unknown-command", "this service has no such command");
		return;
	}
	call->args = call->command->changes ? json_incref(json_object_get(request, "args")) : NULL;
	rt_command_run(control->commands, call->command, c->role == RT_CONTROL_ADMIN, args, reply, control->user);
}

void control_call_start(struct control_client *c, struct xfed_span line)
{
	char error[160];
	json_t *request;
	struct control_call *call = xfed_calloc(1, sizeof(*call));
	struct rt_reply reply = { on_reply, call, on_part };
	if (!call) {
		control_client_answer(c, NULL);
		return;
	}
	call->client = c;
	call->peer = c->peer;
	c->call = call;
	if (rt_control_parse(line, &request, error) != XFED_OK) {
		rt_reply_fail(reply, "bad-request", "%s", error);
		return;
	}
	run(call, reply, request);
	json_decref(request);
}
