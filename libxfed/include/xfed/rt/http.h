/*
 * Three fixed GET paths: /metrics, /healthz, /readyz. libmicrohttpd without threads of its own, polled from the loop. Limits:
 * XFED_HTTP_CONNECTIONS connections, XFED_HTTP_CONNECTIONS_ADDRESS from one address, RT_HTTP_HEADER_BYTES of header, RT_HTTP_TIMEOUT_S of
 * silence, no request bodies. What exceeds a limit waits or is closed. Any other path gives 404, any other method 405.
 */
#ifndef XFED_RT_HTTP_H
#define XFED_RT_HTTP_H

#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/limits.h"
#include "xfed/rt/conf.h"

#define RT_HTTP_HEADER_BYTES 8192
#define RT_HTTP_TIMEOUT_S    5
#define RT_HTTP_BODY_BYTES   (16 * 1024 * 1024)

struct uv_loop_s;
struct rt_http;

struct rt_http_pages {
	void *user;
	/* Writes the whole page. OK or an error, which becomes 500. */
	int (*metrics)(void *user, struct xfed_buf *out);
	/* Whether the process works (200) or not (503), and whether it is in service. One line of text each. */
	bool (*is_healthy)(void *user, struct xfed_buf *out);
	bool (*is_ready)(void *user, struct xfed_buf *out);
};

/* Listens. INVALID with one sentence in `error` where it cannot (port occupied); NOMEM; LIBRARY. `pages` is copied. */
int rt_http_new(struct uv_loop_s *uv, const struct rt_conf_address *listen, const struct rt_http_pages *pages, struct rt_http **out, char error[256]);
/* Stops at once; memory goes when the loop has run its close callbacks. NULL is fine. */
void rt_http_free(struct rt_http *h);
/* A socket that listens for HTTP there, for others than these pages; `key` is that of the configuration. -1 with one sentence in `error`. */
int rt_http_listen(const struct rt_conf_address *a, const char *key, char error[256]);
uint16_t rt_http_port(const struct rt_http *h); /* the port in use, for port 0 in tests */

#endif
