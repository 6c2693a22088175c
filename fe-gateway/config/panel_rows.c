/* The rows of `panel` in gateway.yaml, the checks across them, and the file of who may use it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "config/config_impl.h"
#include "xfed/rt/addr.h"

#define VALUE	      XFED_REASON_CONFIG_VALUE_INVALID
#define PANEL(member) RT_CONF_IN(struct config, panel, member)

/* clang-format off */
static const struct rt_conf_row panel_rows[] = {
	{ .name = "listen", .type = RT_CONF_LISTEN, PANEL(listen),
		.help = "Address of the control panel, a web page, such as 127.0.0.1:9570; off unless set. It always asks who one is." },
	{ .name = "certificate", .type = RT_CONF_PATH, PANEL(certificate), .flags = RT_CONF_RELOADABLE,
		.help = "PEM file with the certificate that browsers see, and its chain. Needed unless listen is a loopback address." },
	{ .name = "key", .type = RT_CONF_PATH, PANEL(key), .flags = RT_CONF_RELOADABLE | RT_CONF_KEPT, .help = "PEM file with its private key." },
	{ .name = "users_file", .type = RT_CONF_PATH, PANEL(users_file), .flags = RT_CONF_RELOADABLE | RT_CONF_KEPT,
		.help = "File of who may use the panel: NAME:ROLE:HASH, or cert:NAME:ROLE for the common name of a client certificate; the role is admin or "
			"reader. xfedctl panel user writes it." },
	{ .name = "client_ca", .type = RT_CONF_PATH, PANEL(client_ca), .flags = RT_CONF_RELOADABLE,
		.help = "PEM file with the authorities whose client certificates are taken in the place of a password, for names that users_file has." },
	{ .name = "hosts", .type = RT_CONF_STRINGS, PANEL(hosts), .flags = RT_CONF_RELOADABLE, .max = 64, .convert = rt_conf_convert_host,
		.help = "Names under which browsers reach the panel, besides the name of this host, localhost and the address of listen. A request for another "
			"name is refused: a foreign page could have led the browser here (DNS rebinding)." },
	{ .name = "session_idle", .type = RT_CONF_DURATION, PANEL(session_idle_ms), .flags = RT_CONF_RELOADABLE, .min = 60000, .max = 86400000, .fallback = "30m",
		.help = "When somebody who has asked for nothing has to sign in again." },
	{ .name = "session_life", .type = RT_CONF_DURATION, PANEL(session_life_ms), .flags = RT_CONF_RELOADABLE, .min = 60000, .max = 604800000, .fallback = "12h",
		.help = "When somebody has to sign in again in any case." },
};
RT_CONF_TABLE(const, config_panel, "panel", panel_rows, RT_CONF_TYPE_OF(struct config, panel), "The control panel, in a browser.");
/* clang-format on */

static void need(struct rt_conf_doc *doc, const struct config *c, const char *key, const char *value, const char *why)
{
	if (!value) {
		rt_conf_fail(doc, c, key, VALUE, "missing, accepted: an absolute path (%s)", why);
	}
}

void config_check_panel(struct rt_conf_doc *doc, const struct config *c)
{
	struct rt_addr a;
	if (!c->panel.listen.host) {
		return;
	}
	bool is_local = rt_addr_parse_host(&a, xfed_span_str(c->panel.listen.host), 0) == XFED_OK && rt_addr_is_loopback(&a);
	bool has_tls = c->panel.certificate || c->panel.key || c->panel.client_ca;
	const char *why = is_local ? "the other of certificate and key is set, or client_ca" : "panel.listen can be reached from other hosts";
	if (!is_local || has_tls) {
		need(doc, c, "panel.certificate", c->panel.certificate, why);
		need(doc, c, "panel.key", c->panel.key, why);
	}
	need(doc, c, "panel.users_file", c->panel.users_file, "panel.listen is set, and nobody could sign in");
}

int config_read_panel_users(struct config *c, const char *from)
{
	struct rt_conf_doc *doc = &c->base.doc;
	const char *path = c->panel.users_file;
	struct xfed_buf text;
	char error[256];
	if (!c->panel.listen.host || !path) {
		return XFED_OK;
	}
	if (!from || (access(from, F_OK) != 0 && errno == ENOENT)) {
		rt_conf_warn(
			doc, c, "panel.users_file", VALUE, "%s is not there yet, so nobody can sign in: xfedctl panel user add NAME admin", path);
		return XFED_OK;
	}
	int rc = rt_file_read(from, PANEL_USERS_BYTES, &text, error);
	if (rc != XFED_OK) {
		rt_conf_fail(doc, c, "panel.users_file", rt_file_reason(path, VALUE), "%s", error);
		return rc;
	}
	rc = panel_users_parse(&doc->arena, path, xfed_buf_span(&text), doc->errors, &c->panel.users);
	xfed_buf_wipe(&text);
	if (rc == XFED_OK && c->panel.users.count == 0) {
		rt_conf_warn(doc, c, "panel.users_file", VALUE, "%s names nobody, so nobody can sign in: xfedctl panel user add NAME admin", path);
	}
	return rc;
}
