/* What the two files of the server share: web.c has the connections and the queue, exchange.c what is said on them. */
#ifndef GATEWAY_PANEL_WEB_IMPL_H
#define GATEWAY_PANEL_WEB_IMPL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "panel/web.h"
#include "xfed/rt/job.h"
#include "xfed/rt/source.h"

/* What the server's thread refuses by itself. */
enum web_why { WEB_CONNECTIONS, WEB_SLOW, WEB_BUSY, WEB_HOST, WEB_REQUEST, WEB_WHYS };

struct connection {
	struct connection *prev, *next;
	struct rt_addr from;
	struct rt_source_hold hold;
	int fd;
	uint64_t until_ms; /* disconnected then; 0: never. Under the lock */
	bool is_judged;	   /* its certificate has been looked at */
	bool is_foreign;
	char certificate[PANEL_USER_NAME];
};

enum exchange_state { EXCHANGE_NEW, EXCHANGE_BODY, EXCHANGE_WAITING, EXCHANGE_ANSWERED, EXCHANGE_DONE };

struct exchange {
	struct exchange *prev, *next; /* of those that wait */
	struct web *web;
	struct connection *connection;
	struct MHD_Connection *mhd;
	enum exchange_state state;
	char *uri; /* path and query, as they came */
	struct xfed_buf body;
	struct panel_call *call;  /* ours: while it is made, and when it has come back */
	struct panel_call *asked; /* the loop's */
	enum panel_language language;
};

struct web {
	struct MHD_Daemon *daemon;
	void (*posted)(void *arg);
	void *arg;
	struct request_hosts hosts;
	struct rt_conf_strings names;
	char listen[RT_ADDR_TEXT], host_name[256], gateway[256];
	bool has_tls, has_client_ca;
	atomic_bool is_denied; /* the thread could not be made less important, and that has not been told yet */

	/* of the server's thread: */
	struct rt_sources sources;
	struct rt_source_hold arriving; /* of a connection that was let in and is not there yet */

	pthread_mutex_t lock; /* of all below */
	struct connection *connections;
	size_t connection_count;
	struct exchange *waiting;
	size_t waiting_count;
	struct panel_call *queue, **queue_end;
	bool is_stopping;
	struct web_refusal refused[WEB_WHYS];

	struct rt_job job; /* the end */
};

void web_refuse(struct web *w, enum web_why why, const struct rt_addr *from);
/* The exchange waits for the loop. False: too many do. */
bool web_ask(struct exchange *x);
void web_deadline(struct connection *c, struct web *w, uint64_t ms); /* from now on; 0: none */
struct connection *web_connection(struct MHD_Connection *mhd);

/* exchange.c: callbacks of libmicrohttpd */
void *exchange_begin(void *user, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result exchange_step(void *user, struct MHD_Connection *mhd, const char *url, const char *method, const char *version, const char *upload,
	size_t *upload_size, void **state);
void exchange_end(void *user, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why);

#endif
