/*
 * The panel's server: libmicrohttpd on a thread of its own, of low priority. It takes requests apart, and makes pages of the answers. What it
 * asks goes through a bounded queue to the loop. Nothing but web_take(), web_answer() and web_tick() is called while it runs, from the loop.
 */
#ifndef GATEWAY_PANEL_WEB_H
#define GATEWAY_PANEL_WEB_H

#include "panel/call.h"
#include "xfed/reason.h"
#include "xfed/rt/loop.h"

struct web;

struct web_options { /* copied */
	int fd;	     /* listens already; a duplicate of it is used */
	const char *listen;
	const struct rt_conf_strings *hosts;
	const char *gateway;			   /* its name */
	const char *certificate, *key, *client_ca; /* PEM; NULL: no TLS, and no client certificates */
};

/* OK; NOMEM; LIBRARY with one sentence. `posted` is called from the server's thread when the queue has something. */
int web_new(const struct web_options *o, void (*posted)(void *arg), void *arg, struct web **out, char error[256]);
/*
 * Its clients are disconnected, and calls that are out lose their exchange. It ends on a worker thread, which a busy server may keep waiting;
 * `loop` runs until then. NULL is fine.
 */
void web_free(struct web *w, struct rt_loop *loop);

struct panel_call *web_take(struct web *w); /* the next call for the loop, NULL: none */
void web_answer(struct panel_call *c);	    /* gives it back; frees it where nobody waits any more */

struct web_refusal {
	enum xfed_reason reason;
	uint64_t count;	     /* since the last time */
	struct rt_addr from; /* the last one */
};
/* About once a second: disconnects who is too slow; tells what the server's thread has refused since. */
void web_tick(struct web *w, uint64_t now_ms, void (*refused)(void *user, const struct web_refusal *r), void *user);
bool web_tells_denied(struct web *w); /* once: its thread could not be made less important */
size_t web_connections(struct web *w);

#endif
