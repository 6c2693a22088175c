/*
 * A request on its way from the server's thread to the loop and back. It belongs to one of the two at a time, and nothing in it is shared with
 * anything that stays behind: so neither needs a lock for it.
 */
#ifndef GATEWAY_PANEL_CALL_H
#define GATEWAY_PANEL_CALL_H

#include "config/config.h"
#include "panel/request.h"
#include "panel/route.h"
#include "panel/words.h"
#include "xfed/rt/addr.h"

enum call_kind { CALL_PAGE, CALL_LOGIN, CALL_LOGIN_TRY, CALL_LOGOUT, CALL_SESSIONS, CALL_SESSION_END };
enum call_answer {
	CALL_ANSWER_PAGE,  /* of the route, or of kind SESSIONS */
	CALL_ANSWER_LOGIN, /* with `word` */
	CALL_ANSWER_GO,	   /* to `location` */
	CALL_ANSWER_ERROR, /* `status`, `word` */
};

struct panel_call {
	struct panel_call *next;   /* in the queue it is in */
	struct exchange *exchange; /* NULL: the server is gone, and nobody waits for the answer */

	/* by the server's thread: */
	enum call_kind kind;
	struct panel_request request;
	struct panel_field fields[PANEL_FIELDS_MAX];
	char *memory; /* of what the request points to; secrets may be in it */
	size_t memory_bytes;
	struct xfed_span uri;		 /* path and query as they came */
	const struct panel_route *route; /* of PAGE */
	struct panel_ask asks[PANEL_ASKS_MAX];
	size_t ask_count;
	struct rt_addr from;
	char token[PANEL_TOKEN_HEX + 1];   /* "": no cookie */
	char certificate[PANEL_USER_NAME]; /* common name of an accepted one; "": none */
	bool is_foreign;		   /* a certificate was shown that is not accepted, and not told of yet */

	/* by the loop: */
	void *panel;
	size_t pending; /* commands that have not answered */
	enum call_answer answer;
	int status;
	enum panel_word word;
	char location[PANEL_LOCATION_MAX];
	char name[PANEL_USER_NAME], csrf[PANEL_TOKEN_HEX + 1];
	enum panel_role role;
	char cookie[PANEL_TOKEN_HEX + 1]; /* to be set; "": none */
	bool ends_cookie;
	json_t *results[PANEL_ASKS_MAX], *sessions;
};

void panel_call_free(struct panel_call *c); /* NULL is fine */

#endif
