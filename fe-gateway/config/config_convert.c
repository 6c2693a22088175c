#include "config/config_impl.h"

#include <stdio.h>

/* ---- next hop ---- */

static bool take_prefix(struct xfed_span *s, const char *prefix)
{
	size_t len = strlen(prefix);
	if (s->len < len || !xfed_span_eq_nocase(xfed_span_make(s->data, len), xfed_span_str(prefix))) {
		return false;
	}
	*s = xfed_span_make(s->data + len, s->len - len);
	return true;
}

static int parse_param(struct xfed_span p, enum rt_conf_transport *t)
{
	static const enum rt_conf_transport all[] = { RT_TRANSPORT_UDP, RT_TRANSPORT_TCP, RT_TRANSPORT_TLS };
	if (xfed_span_eq_nocase(p, XFED_SPAN("lr"))) {
		return XFED_OK;
	}
	if (!take_prefix(&p, "transport=") || *t != RT_TRANSPORT_NONE) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(all); i++) {
		if (xfed_span_eq_nocase(p, xfed_span_str(rt_conf_transport_name(all[i])))) {
			*t = all[i];
			return XFED_OK;
		}
	}
	return XFED_ERR_INVALID;
}

int config_parse_next_hop(struct xfed_arena *a, struct xfed_span uri, struct rt_conf_address *out)
{
	enum rt_conf_transport t = RT_TRANSPORT_NONE;
	if (!take_prefix(&uri, "sip:") || memchr(uri.data, '@', uri.len)) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span host = xfed_span_cut(&uri, ';');
	while (uri.len > 0) {
		if (parse_param(xfed_span_cut(&uri, ';'), &t) != XFED_OK) {
			return XFED_ERR_INVALID;
		}
	}
	/* A colon that is not inside brackets begins a port. */
	bool has_port = host.len > 0 && host.data[host.len - 1] != ']' && memchr(host.data, ':', host.len);
	struct xfed_span text = host;
	if (!has_port) {
		text = xfed_arena_printf(a, "%.*s:1", (int)(host.len < 512 ? host.len : 512), host.data);
		if (!text.data) {
			return XFED_ERR_NOMEM;
		}
	}
	int rc = rt_conf_parse_address(a, text, RT_CONF_ADDRESS, out);
	if (rc == XFED_OK) {
		out->transport = t;
		out->port = has_port ? out->port : 0;
	}
	return rc;
}

int config_convert_next_hop(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct rt_conf_address hop;
	*accepted = "sip:HOST[:PORT][;transport=udp|tcp|tls] such as sip:fe.example.com:5061;transport=tls";
	*out = in;
	return config_parse_next_hop(a, in, &hop);
}

/* ---- credentials ---- */

/* As it stands between quotes in a header field (RFC 7616 section 3.4). */
int config_convert_username(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	*accepted = "up to 128 printable characters of ASCII without \" and \\";
	*out = in;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.data[i];
		if (c < ' ' || c > '~' || c == '"' || c == '\\') {
			return XFED_ERR_INVALID;
		}
	}
	return in.len > 0 && in.len <= 128 ? XFED_OK : XFED_ERR_INVALID;
}
