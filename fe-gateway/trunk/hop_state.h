/*
 * What is known of a next hop: whether it answers, what it refuses, when it last accepted a request. A refusal followed by a success is no
 * problem any more, but is still reported as a fact. Pure: times are arguments, of the wall clock.
 *
 * 403, 405 and 5xx may come from the server, or from one user's phone behind it: the response does not show which. They are counted as the
 * server's only if it has accepted nothing since it refused messages to several recipients, or many over a long time.
 */
#ifndef GATEWAY_TRUNK_HOP_STATE_H
#define GATEWAY_TRUNK_HOP_STATE_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define HOP_STATE_WINDOW_S   3600	 /* refusals that are further apart are not counted together */
#define HOP_STATE_OLD_S	     (24 * 3600) /* a refusal of so long ago is no problem any more */
#define HOP_STATE_QUIET_S    60		 /* refusals that come and go are logged once in that time */
#define HOP_STATE_RECIPIENTS 3		 /* "several" recipients */
#define HOP_STATE_ROW	     5		 /* so many refusals in a row to fewer recipients, */
#define HOP_STATE_ROW_S	     300	 /* over at least this time */
#define HOP_STATE_TEXT	     320

struct hop_state {
	bool is_known;		 /* the hop has been needed; what follows is valid */
	bool is_up;		 /* it answers messages with any status, or OPTIONS with anything but 5xx */
	enum xfed_reason reason; /* why it is down, or refuses; NONE: neither */
	int status;		 /* the status with which it refuses */
	char text[HOP_STATE_TEXT];
	int64_t since_s, tried_s; /* since when that is so; when it was last sent anything */
	int64_t worked_s;	  /* when it last accepted a message, or refused one because of the user alone; 0: never */
	struct {
		int status; /* of refusals by it, or a phone behind it; 0: there were none */
		unsigned count;
		int64_t first_s, last_s;
		char text[HOP_STATE_TEXT]; /* of the last one */
	} refusals;
	struct {
		unsigned count;
		size_t recipients; /* different recipients, as far as they are kept */
		uint64_t recipient[HOP_STATE_RECIPIENTS];
		int64_t first_s, last_s;
	} row; /* refusals since it last accepted a message, whatever their status */
	struct {
		bool is_known, is_up;
		enum xfed_reason reason;
		int64_t refusal_s; /* when a refusal was last logged */
	} logged;		   /* what was last logged */
};

/* Whether the response may be about the server, or about us as its client, rather than about a user or one message. */
bool hop_state_is_refusal(int status);
/* The hop refuses us because our credentials are missing or wrong. */
bool hop_state_wants_proof(const struct hop_state *s);

/* Each returns true where the new state is to be logged. */
bool hop_state_down(struct hop_state *s, enum xfed_reason reason, const char *text, int64_t now_s);
bool hop_state_answers(struct hop_state *s, int64_t now_s); /* it has answered, and no more is known */
bool hop_state_works(struct hop_state *s, int64_t now_s);
bool hop_state_age(struct hop_state *s, int64_t now_s); /* to be called from time to time */

struct hop_refusal {
	int status;
	enum xfed_reason reason;
	const char *text;   /* text in addition to the status; NULL: none */
	uint64_t recipient; /* a hash of the recipient; 0: the refusal does not depend on one */
};
bool hop_state_refuses(struct hop_state *s, const struct hop_refusal *r, int64_t now_s);

/*
 * A UDP next hop that has refused TCP, which is used where a request is too large for UDP. After 30 s one large request may try TCP again;
 * each further refusal doubles that time, up to 10 minutes. Zeroed: TCP has not been refused.
 */
struct hop_no_tcp {
	uint64_t until_ms, wait_ms;
	int64_t since_s;
};
void hop_no_tcp_refused(struct hop_no_tcp *n, uint64_t now_ms, int64_t now_s);

#endif
