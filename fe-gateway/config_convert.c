#include "config_convert.h"

#include <arpa/inet.h>
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

static struct xfed_span take_until(struct xfed_span *s, char end)
{
	const char *at = s->len > 0 ? memchr(s->data, end, s->len) : NULL;
	size_t len = at ? (size_t)(at - s->data) : s->len;
	struct xfed_span part = xfed_span_make(s->data, len);
	size_t skip = at ? len + 1 : len;
	*s = xfed_span_make(s->data + skip, s->len - skip);
	return part;
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
	struct xfed_span host = take_until(&uri, ';');
	while (uri.len > 0) {
		if (parse_param(take_until(&uri, ';'), &t) != XFED_OK) {
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

/* ---- networks ---- */

static bool bits_beyond(const uint8_t *bytes, size_t len, unsigned bits)
{
	for (unsigned i = bits; i < len * 8; i++) {
		if (bytes[i / 8] & (0x80u >> (i % 8))) {
			return true;
		}
	}
	return false;
}

int config_parse_network(struct xfed_span s, struct gateway_network *out)
{
	char text[64];
	struct xfed_span rest = s;
	struct xfed_span address = take_until(&rest, '/');
	bool has_prefix = address.len < s.len;
	if (address.len == 0 || address.len >= sizeof(text)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, address.data, address.len);
	text[address.len] = '\0';
	*out = (struct gateway_network){ 0 };
	out->is_ipv6 = strchr(text, ':') != NULL;
	if (inet_pton(out->is_ipv6 ? AF_INET6 : AF_INET, text, out->bytes) != 1) {
		return XFED_ERR_INVALID;
	}
	size_t len = out->is_ipv6 ? 16 : 4;
	unsigned bits = 0;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.data[i] < '0' || rest.data[i] > '9' || i > 2) {
			return XFED_ERR_INVALID;
		}
		bits = bits * 10 + (unsigned)(rest.data[i] - '0');
	}
	if (!has_prefix) {
		bits = (unsigned)len * 8;
	}
	if ((has_prefix && rest.len == 0) || bits > len * 8 || bits_beyond(out->bytes, len, bits)) {
		return XFED_ERR_INVALID;
	}
	out->bits = (uint8_t)bits;
	return XFED_OK;
}

int config_convert_network(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct gateway_network n;
	*accepted = "an IP address or a network such as 10.2.0.0/24, no bits set behind the prefix";
	*out = in;
	return config_parse_network(in, &n);
}
