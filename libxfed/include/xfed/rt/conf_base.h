/* What the configurations of both daemons have in common: a struct that is their first member, and its rows. rt/daemon.h applies it. */
#ifndef XFED_RT_CONF_BASE_H
#define XFED_RT_CONF_BASE_H

#include "xfed/rt/conf.h"
#include "xfed/rt/log.h"

enum rt_sandbox_wish { RT_SANDBOX_ON, RT_SANDBOX_REQUIRED };
enum rt_dnssec { RT_DNSSEC_OFF, RT_DNSSEC_TRUST_AD };

struct rt_conf_base {
	struct rt_conf_doc doc; /* owns the memory of the whole configuration */
	const char *name;
	struct {
		struct rt_conf_addresses servers; /* count 0: use resolv.conf */
		enum rt_dnssec dnssec;
	} dns;
	const char *control_socket; /* default /run/xfed/NAME.sock */
	struct {
		struct rt_conf_address listen; /* host NULL: off */
	} http;
	struct {
		enum rt_log_level level;
		enum rt_log_format format;
		bool mask_addresses;
	} log;
	uint32_t stop_timeout_ms;
	enum rt_sandbox_wish sandbox;
};

extern const struct rt_conf_word rt_conf_sandbox_words[];
extern const struct rt_conf_table rt_conf_dns_table, rt_conf_http_table, rt_conf_log_table;

/* Rows of a table whose structs begin with struct rt_conf_base; `help` is that of the name. */
#define RT_CONF_BASE(member) .offset = offsetof(struct rt_conf_base, member)
#define RT_CONF_NAME_ROW(help_)                                                                                                                      \
	{                                                                                                                                            \
		.name = "name", .type = RT_CONF_STRING, RT_CONF_BASE(name), .flags = RT_CONF_REQUIRED, .convert = rt_conf_convert_name,              \
		.help = (help_)                                                                                                                      \
	}
#define RT_CONF_BASE_ROWS                                                                                                                            \
	{ .name = "dns", .type = RT_CONF_OBJECT, RT_CONF_BASE(dns), .table = &rt_conf_dns_table, .help = "Name resolution." },                       \
		{ .name = "control_socket",                                                                                                          \
			.type = RT_CONF_PATH,                                                                                                        \
			RT_CONF_BASE(control_socket),                                                                                                \
			.flags = RT_CONF_SOCKET,                                                                                                     \
			.help = "Where xfedctl connects; /run/xfed/NAME.sock unless set." },                                                         \
		{ .name = "http",                                                                                                                    \
			.type = RT_CONF_OBJECT,                                                                                                      \
			RT_CONF_BASE(http),                                                                                                          \
			.table = &rt_conf_http_table,                                                                                                \
			.help = "Metrics and health over HTTP." },                                                                                   \
		{ .name = "log", .type = RT_CONF_OBJECT, RT_CONF_BASE(log), .table = &rt_conf_log_table, .help = "The log." },                       \
		{ .name = "sandbox",                                                                                                                 \
			.type = RT_CONF_ENUM,                                                                                                        \
			RT_CONF_BASE(sandbox),                                                                                                       \
			.fallback = "on",                                                                                                            \
			.words = rt_conf_sandbox_words,                                                                                              \
			.help = "What the service forbids itself at its start (Landlock for files and ports, seccomp for system calls). on: a part " \
				"that this host does not have is a problem of status, and the service goes on; required: it does not start "         \
				"without." },                                                                                                        \
	{                                                                                                                                            \
		.name = "stop_timeout", .type = RT_CONF_DURATION, RT_CONF_BASE(stop_timeout_ms), .flags = RT_CONF_RELOADABLE, .min = 1000,           \
		.max = 600000, .fallback = "30s", .help = "How long stopping may take: what is in flight is settled, then connections are closed."   \
	}

/*
 * Loads a configuration by `table` from the file `file`, or from `text` if that is not NULL (`file` is then only named in messages); checks
 * the members above, then the rest with `check`, which reports problems by rt_conf_fail() and returns OK or NOMEM. Problems are in
 * `errors`, which `base->doc.errors` keeps for later checks: the caller sets it anew before that collector ends. OK, INVALID, NOMEM.
 */
int rt_conf_open(const struct rt_conf_table *table, const char *file, const struct xfed_span *text, int (*check)(struct rt_conf_doc *doc),
	struct rt_conf_errors *errors, struct rt_conf_base **out);
/*
 * The name of an instance, which the place of its file says: ".../ROLE/NAME.yaml", where units keep those of instances. NULL: it is none, as
 * ".../ROLE.yaml". `role`: "edge", "gateway".
 */
#define RT_CONF_INSTANCE 65
const char *rt_conf_instance(const char *file, const char *role, char out[RT_CONF_INSTANCE]);
void rt_conf_close(struct rt_conf_base *base); /* NULL is fine */

#endif
