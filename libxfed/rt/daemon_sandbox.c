/* The sandbox of a daemon: what its configuration makes it use, and how the state of it is told. */
#include "rt/conf_internal.h"
#include "rt/daemon_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "xfed/rt/log.h"
#include "xfed/rt/process.h"
#include "xfed/rt/sandbox.h"

/* ---- entering it ---- */

static void name_ports(const struct rt_conf_row *row, const void *field)
{
	const struct rt_conf_address *one = field;
	const struct rt_conf_addresses *list = field;
	bool is_list = row->type == RT_CONF_LISTENS || row->type == RT_CONF_SIP_LISTENS;
	/* What a reload can change is no address of ours, for those are bound once. */
	if ((row->flags & RT_CONF_RELOADABLE) || (!is_list && row->type != RT_CONF_LISTEN)) {
		return;
	}
	const struct rt_conf_address *items = is_list ? list->items : one;
	for (size_t i = 0; i < (is_list ? list->count : 1); i++) {
		if (items[i].host && items[i].transport != RT_TRANSPORT_UDP) {
			rt_sandbox_name_port(items[i].port);
		}
	}
}

static bool name_value(void *user, const struct rt_conf_row *row, const void *field, const void *object, const char *key)
{
	enum rt_sandbox_use use = row->flags & RT_CONF_WRITTEN ? RT_SANDBOX_WRITE : row->flags & RT_CONF_SOCKET ? RT_SANDBOX_SOCKET : RT_SANDBOX_READ;
	const char *const *paths;
	size_t count = conf_paths(row, field, &paths);
	for (size_t i = 0; i < count; i++) {
		rt_sandbox_name(paths[i], use);
	}
	name_ports(row, field);
	return false;
}

static void log_layer(enum rt_sandbox_layer l)
{
	const char *missing = rt_sandbox_missing(l);
	bool is_left_out = rt_sandbox_is_left_out();
	char version[16];
	snprintf(version, sizeof(version), "%d", rt_sandbox_abi());
	if (missing) {
		rt_log(is_left_out ? RT_LOG_INFO : RT_LOG_WARNING, "sandbox.missing", RT_KV_STR("layer", rt_sandbox_layer_name(l)),
			RT_KV_REASON(is_left_out ? XFED_REASON_NONE : XFED_REASON_SANDBOX_LAYER_MISSING), RT_KV_STR("text", missing), RT_END);
	} else {
		rt_log(RT_LOG_INFO, "sandbox.entered", RT_KV_STR("layer", rt_sandbox_layer_name(l)),
			RT_KV_STR("version", l == RT_SANDBOX_LANDLOCK ? version : NULL), RT_END);
	}
}

int rt_daemon_confine(const struct rt_conf_base *c, char error[256])
{
	char path[PATH_MAX];
	conf_each(c->doc.table, c->doc.object, &(struct conf_visitor){ name_value, NULL });
	/* On a command line it may be a relative one. */
	rt_sandbox_name(realpath(c->doc.file, path) ? path : c->doc.file, RT_SANDBOX_READ);
	rt_sandbox_name(RT_SYSTEM_CA, RT_SANDBOX_READ);
	rt_sandbox_name(RT_RESOLV_CONF, RT_SANDBOX_READ_KNOWN);
	int rc = rt_sandbox_enter(RT_SANDBOX_ABI_ANY, error);
	for (int i = 0; i < RT_SANDBOX_LAYERS && rc == XFED_OK; i++) {
		enum rt_sandbox_layer l = (enum rt_sandbox_layer)i;
		const char *missing = rt_sandbox_missing(l);
		log_layer(l);
		if (missing && c->sandbox == RT_SANDBOX_REQUIRED) {
			snprintf(error, 256, "sandbox: found \"required\", and %s is missing: %s", rt_sandbox_layer_name(l), missing);
			rc = XFED_ERR_NOT_FOUND;
		}
	}
	return rc;
}

/* ---- telling of it ---- */

void daemon_sandbox_open(struct rt_daemon *d)
{
	for (int i = 0; i < RT_SANDBOX_LAYERS; i++) {
		enum rt_sandbox_layer l = (enum rt_sandbox_layer)i;
		rt_metric_set(d->metrics, RT_M_SANDBOX, !rt_sandbox_missing(l), RT_LABELS(xfed_span_str(rt_sandbox_layer_name(l))));
	}
}

void daemon_sandbox_tick(struct rt_daemon *d)
{
	const char *call;
	unsigned count;
	while (rt_sandbox_denied(&call, &count)) {
		rt_metric_add(d->metrics, RT_M_SANDBOX_DENIED, count, RT_LABELS(xfed_span_str(call)));
		rt_log(RT_LOG_ERROR, "sandbox.denied", RT_KV_STR("call", call), RT_KV_U64("count", count),
			RT_KV_REASON(XFED_REASON_SANDBOX_CALL_DENIED), RT_END);
		d->denied.count += count;
		d->denied.last_s = rt_daemon_wall_s(d);
		snprintf(d->denied.call, sizeof(d->denied.call), "%s", call);
	}
}

void daemon_sandbox_problems(const struct rt_daemon *d, json_t *problems)
{
	for (int i = 0; i < RT_SANDBOX_LAYERS && !rt_sandbox_is_left_out(); i++) {
		enum rt_sandbox_layer l = (enum rt_sandbox_layer)i;
		const char *missing = rt_sandbox_missing(l);
		if (missing) {
			rt_control_add_problem(problems, XFED_REASON_SANDBOX_LAYER_MISSING, rt_daemon_began_s(d), "The sandbox has no %s: %s. %s",
				rt_sandbox_layer_name(l), missing, xfed_reason_info(XFED_REASON_SANDBOX_LAYER_MISSING)->remedy);
		}
	}
	if (d->denied.count > 0) {
		rt_control_add_problem(problems, XFED_REASON_SANDBOX_CALL_DENIED, d->denied.last_s,
			"The sandbox has denied %" PRIu64 " system calls, the last one %s. %s", d->denied.count, d->denied.call,
			xfed_reason_info(XFED_REASON_SANDBOX_CALL_DENIED)->remedy);
	}
}
