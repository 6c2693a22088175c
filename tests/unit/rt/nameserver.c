#include "nameserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build.h"
#include "support.h"

static uint16_t type_of(const char *text)
{
	return strcmp(text, "A") == 0 ? 1 : strcmp(text, "AAAA") == 0 ? 28 : strcmp(text, "CNAME") == 0 ? 5 : 33;
}

static void add_row(struct dns_msg *m, const struct ns_row *row)
{
	unsigned priority, weight, port;
	char target[256];
	switch (type_of(row->type)) {
	case 1:
		dns_a(m, row->name, 60, row->value);
		break;
	case 28:
		dns_aaaa(m, row->name, 60, row->value);
		break;
	case 5:
		dns_cname(m, row->name, 60, row->value);
		break;
	default:
		assert_int_equal(sscanf(row->value, "%u %u %u %255s", &priority, &weight, &port, target), 4);
		dns_srv(m, row->name, 60, priority, weight, port, target);
		break;
	}
}

static void fill(const struct ns *n, const char *name, uint16_t type, struct dns_msg *m)
{
	bool exists = false;
	for (const struct ns_row *row = n->rows; row->name; row++) {
		if (strcmp(row->name, name) != 0) {
			continue;
		}
		exists = true;
		if (type_of(row->type) == 5) {
			add_row(m, row);
			fill(n, row->value, type, m);
		} else if (type_of(row->type) == type) {
			add_row(m, row);
		}
	}
	if (!exists) {
		m->b[3] |= 3;
	}
	if (n->sets_ad) {
		dns_flags(m, DNS_FLAG_AD);
	}
}

static void answer(const struct ns *n, struct xfed_span query, struct dns_msg *m, char name[256])
{
	uint16_t type = dns_question((const uint8_t *)query.data, query.len, name);
	bool fails = n->fails || strstr(name, "servfail");
	dns_reply(m, (const uint8_t *)query.data, query.len, fails ? 2 : 0);
	if (!fails) {
		fill(n, name, type, m);
	}
}

static void send_msg(struct ns *n, const struct dns_msg *m, const struct rt_addr *to)
{
	struct xfed_span part = xfed_span_make(m->b, m->len);
	assert_int_equal(rt_udp_send(n->udp, to, &part, 1), XFED_OK);
}

/* What somebody off the path could try: everything right but one thing, and another address in it. */
static void send_forged(struct ns *n, struct xfed_span query, const struct rt_addr *to)
{
	static struct dns_msg m;
	char name[256];
	dns_question((const uint8_t *)query.data, query.len, name);
	for (int i = 0; i < 3; i++) {
		dns_reply(&m, (const uint8_t *)query.data, query.len, 0);
		dns_a(&m, name, 60, "203.0.113.66");
		if (i == 0) {
			m.b[1] ^= 1;
		} else if (i == 1) {
			m.b[13] ^= 0x20;
		} else {
			m.b[2] &= 0x7f;
		}
		send_msg(n, &m, to);
	}
}

static bool is_tcp(const char *name)
{
	return strstr(name, "tcpsilent.") || strstr(name, "tcpclose.") || strstr(name, "tcpforged.");
}

static void on_datagram(void *user, struct xfed_span in, const struct rt_addr *from)
{
	static struct dns_msg m;
	struct ns *n = user;
	char name[256];
	assert_true(n->udp_queries < NS_LOG_MAX);
	n->log[n->udp_queries].port = rt_addr_port(from);
	n->log[n->udp_queries++].id = (uint16_t)((uint8_t)in.data[0] << 8 | (uint8_t)in.data[1]);
	answer(n, in, &m, name);
	if (n->is_silent || (strstr(name, "silent.") && !strstr(name, "tcpsilent."))) {
		return;
	}
	if (strstr(name, "spoofed")) {
		send_forged(n, in, from);
	}
	if (strstr(name, "cut.") || is_tcp(name)) {
		dns_reply(&m, (const uint8_t *)in.data, in.len, 0);
		dns_flags(&m, DNS_FLAG_TC);
	}
	send_msg(n, &m, from);
}

/* ---- TCP: the answer leaves in two pieces ---- */

struct conn {
	struct ns *n;
	struct rt_stream *s;
	struct dns_msg m;
	struct rt_post rest;
	struct rt_resource resource;
};

static void end_conn(struct conn *c)
{
	rt_post_cancel(&c->rest);
	rt_loop_disown(c->n->loop, &c->resource);
	rt_stream_close(c->s);
	free(c);
}

static void close_conn(struct rt_resource *r)
{
	end_conn((struct conn *)((char *)r - offsetof(struct conn, resource)));
}

static void send_rest(void *arg)
{
	struct conn *c = arg;
	if (xfed_buf_append(rt_stream_out(c->s), xfed_span_make(c->m.b, c->m.len)) != XFED_OK) {
		end_conn(c);
		return;
	}
	rt_stream_kick(c->s);
}

static size_t conn_on_bytes(void *user, struct xfed_span in)
{
	struct conn *c = user;
	char name[256];
	if (in.len < 2 || in.len < 2u + ((uint8_t)in.data[0] << 8 | (uint8_t)in.data[1])) {
		return 0;
	}
	c->n->tcp_queries++;
	answer(c->n, xfed_span_make(in.data + 2, in.len - 2), &c->m, name);
	if (strstr(name, "tcpsilent")) {
		return in.len;
	}
	if (strstr(name, "tcpclose")) {
		end_conn(c);
		return in.len;
	}
	if (strstr(name, "tcpforged")) {
		c->m.b[0] ^= 1;
	}
	uint8_t len[2] = { (uint8_t)(c->m.len >> 8), (uint8_t)c->m.len };
	if (xfed_buf_append(rt_stream_out(c->s), xfed_span_make(len, 1)) != XFED_OK) {
		end_conn(c);
		return in.len;
	}
	rt_stream_kick(c->s);
	memmove(c->m.b + 1, c->m.b, c->m.len);
	c->m.b[0] = len[1];
	c->m.len++;
	rt_post_schedule(&c->rest);
	return in.len;
}

static void conn_on_eof(void *user)
{
	end_conn(user);
}

static void conn_on_error(void *user, enum xfed_reason reason)
{
	(void)reason;
	end_conn(user);
}

static const struct rt_stream_handlers conn_handlers = { NULL, conn_on_bytes, conn_on_eof, conn_on_error, NULL };

static void on_accept(void *user, struct rt_listener *l, struct rt_stream *s)
{
	struct ns *n = user;
	struct conn *c = calloc(1, sizeof(*c));
	(void)l;
	assert_non_null(c);
	c->n = n;
	c->s = s;
	rt_post_init(&c->rest, n->loop, send_rest, c);
	rt_loop_own(n->loop, &c->resource, close_conn);
	rt_stream_start(s, &conn_handlers, c, 70000);
}

void ns_start(struct ns *n, struct rt_loop *l, const char *address, const struct ns_row *rows)
{
	static const struct rt_udp_handlers handlers = { on_datagram, NULL };
	char error[128];
	struct rt_addr a = addr(address);
	memset(n, 0, sizeof(*n));
	n->loop = l;
	n->rows = rows;
	if (rt_listener_new(l, &a, true, on_accept, n, &n->tcp, error, sizeof(error)) != XFED_OK ||
		rt_udp_bind(l, rt_listener_addr(n->tcp), &handlers, n, &n->udp, error, sizeof(error)) != XFED_OK) {
		fail_msg("%s", error);
	}
	rt_addr_text(rt_udp_addr(n->udp), n->text);
}
