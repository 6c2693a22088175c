#include "config/config_impl.h"

#include "sip/uri.h"
#include "xfed/jid.h"

/* ---- next hop ---- */

/* No transport: NONE. False: a transport we do not have, or parameters other than transport and lr. */
static bool read_params(const struct sip_uri *u, enum rt_conf_transport *out)
{
	size_t known = (u->is_loose ? strlen(";lr") : 0) + (u->transport.data ? strlen(";transport=") + u->transport.len : 0);
	for (*out = RT_TRANSPORT_NONE; u->transport.data;) {
		if (++*out > RT_TRANSPORT_TLS) {
			return false;
		}
		if (xfed_span_eq_nocase(u->transport, xfed_span_str(rt_conf_transport_name(*out)))) {
			break;
		}
	}
	return u->params.len == known;
}

int config_parse_next_hop(struct xfed_arena *a, struct xfed_span text, struct rt_conf_address *out)
{
	struct sip_uri u;
	enum rt_conf_transport t;
	if (sip_uri_parse(text, &u) != XFED_OK || !u.is_sip || u.is_secure || u.user.data || u.headers.data || !read_params(&u, &t)) {
		return XFED_ERR_INVALID;
	}
	struct xfed_span host = xfed_arena_printf(a, u.is_ipv6 ? "[%.*s]:1" : "%.*s:1", (int)u.host.len, u.host.data);
	int rc = host.data ? rt_conf_parse_address(a, host, RT_CONF_ADDRESS, out) : XFED_ERR_NOMEM;
	if (rc == XFED_OK) {
		out->transport = t;
		out->port = u.port;
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

/* ---- users ---- */

int config_convert_user(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted)
{
	struct xfed_jid j;
	*accepted = "an address, user@domain";
	int rc = xfed_jid_parse(a, in, &j);
	if (rc == XFED_OK && (j.local.len == 0 || j.resource.data)) {
		rc = XFED_ERR_INVALID;
	}
	*out = rc == XFED_OK ? xfed_jid_bare(a, &j) : in;
	return rc == XFED_OK && !out->data ? XFED_ERR_NOMEM : rc;
}

/* ---- credentials ---- */

/* A username as it will stand between quotes in a header field (RFC 7616 section 3.4). */
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
