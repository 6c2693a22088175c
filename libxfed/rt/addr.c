#include "xfed/rt/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static int parse_port(struct xfed_span text, uint16_t *port)
{
	uint32_t value = 0;
	if (text.len == 0 || text.len > 5) {
		return XFED_ERR_INVALID;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return XFED_ERR_INVALID;
		}
		value = value * 10 + (uint32_t)(text.data[i] - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX ? XFED_OK : XFED_ERR_INVALID;
}

int rt_addr_parse_host(struct rt_addr *out, struct xfed_span host, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	*out = (struct rt_addr){ .sa.sa_family = AF_UNSPEC };
	bool has_brackets = host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
	if (has_brackets) {
		host = xfed_span_make(host.data + 1, host.len - 2);
	}
	if (host.len == 0 || host.len >= sizeof(text) || memchr(host.data, '\0', host.len)) {
		return XFED_ERR_INVALID;
	}
	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	struct in_addr v4;
	struct in6_addr v6;
	if (!has_brackets && inet_pton(AF_INET, text, &v4) == 1) {
		out->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = v4 };
		return XFED_OK;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		out->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = v6 };
		return XFED_OK;
	}
	return XFED_ERR_INVALID;
}

int rt_addr_parse(struct rt_addr *out, struct xfed_span text, uint16_t default_port)
{
	if (rt_addr_parse_host(out, text, default_port) == XFED_OK) {
		return XFED_OK;
	}
	const char *colon = text.data && text.len > 0 ? memrchr(text.data, ':', text.len) : NULL;
	uint16_t port;
	if (!colon) {
		return XFED_ERR_INVALID;
	}
	size_t host_len = (size_t)(colon - text.data);
	bool is_v6 = memchr(text.data, ':', host_len) != NULL;
	if (is_v6 && text.data[0] != '[') {
		return XFED_ERR_INVALID; /* ambiguous: the port could begin at any colon */
	}
	if (parse_port(xfed_span_make(colon + 1, text.len - host_len - 1), &port) != XFED_OK) {
		return XFED_ERR_INVALID;
	}
	return rt_addr_parse_host(out, xfed_span_make(text.data, host_len), port);
}

void rt_addr_make(struct rt_addr *out, const struct sockaddr *sa)
{
	*out = (struct rt_addr){ .sa.sa_family = AF_UNSPEC };
	if (sa && sa->sa_family == AF_INET) {
		memcpy(&out->in, sa, sizeof(out->in));
	} else if (sa && sa->sa_family == AF_INET6) {
		memcpy(&out->in6, sa, sizeof(out->in6));
	}
}

const char *rt_addr_host_text(const struct rt_addr *a, char out[RT_ADDR_TEXT])
{
	out[0] = '\0';
	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, out, RT_ADDR_TEXT);
	} else if (a->sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, out, RT_ADDR_TEXT);
	}
	return out;
}

const char *rt_addr_text(const struct rt_addr *a, char out[RT_ADDR_TEXT])
{
	char host[RT_ADDR_TEXT];
	rt_addr_host_text(a, host);
	if (a->sa.sa_family == AF_INET6) {
		snprintf(out, RT_ADDR_TEXT, "[%.46s]:%u", host, rt_addr_port(a));
	} else if (a->sa.sa_family == AF_INET) {
		snprintf(out, RT_ADDR_TEXT, "%.46s:%u", host, rt_addr_port(a));
	} else {
		out[0] = '\0';
	}
	return out;
}

uint16_t rt_addr_port(const struct rt_addr *a)
{
	if (a->sa.sa_family == AF_INET) {
		return ntohs(a->in.sin_port);
	}
	return a->sa.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

bool rt_addr_is_loopback(const struct rt_addr *a)
{
	if (a->sa.sa_family == AF_INET) {
		return (ntohl(a->in.sin_addr.s_addr) >> 24) == 127;
	}
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

bool rt_addr_eq(const struct rt_addr *a, const struct rt_addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family || rt_addr_port(a) != rt_addr_port(b)) {
		return false;
	}
	if (a->sa.sa_family == AF_INET) {
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	}
	return a->sa.sa_family == AF_INET6 && memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0 && a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}
