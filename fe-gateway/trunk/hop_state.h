/*
 * What is known of a next hop: whether it answers, what it refuses, when it last took a request. What has worked since is no
 * longer how it is, but stays to be told beside that. Pure: times come in, of the wall clock.
 *
 * 403, 405 or 5xx may come from the server, or from one user's phone behind it: the answer does not show which. So it is the server
 * that refuses only where it has taken nothing since it refused messages to several recipients, or so many over so long a time.
 */
#ifndef GATEWAY_TRUNK_HOP_STATE_H
#define GATEWAY_TRUNK_HOP_STATE_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define HOP_STATE_WINDOW_S   3600	 /* refusals so far apart are not counted together */
#define HOP_STATE_OLD_S	     (24 * 3600) /* what was refused so long ago is no problem any more */
#define HOP_STATE_QUIET_S    60		 /* of refusals that come and go one is logged in that time */
#define HOP_STATE_RECIPIENTS 3		 /* several */
#define HOP_STATE_ROW	     5		 /* so many in a row to fewer of them, */
#define HOP_STATE_ROW_S	     300	 /* over so long */
#define HOP_STATE_TEXT	     320

struct hop_state {
	bool is_known;		 /* it has been needed; what follows counts */
	bool is_up;		 /* it answers messages, whatever it says, or OPTIONS with anything but 5xx */
	enum xfed_reason reason; /* why it is down, or refuses; NONE: all is well */
	int status;		 /* with which it refuses */
	char text[HOP_STATE_TEXT];
	int64_t since_s, tried_s; /* it is so; it was last asked for anything */
	int64_t worked_s;	  /* it last took a message, or found fault with the user alone; 0: never */
	struct {
		int status; /* of the answers with which it, or a phone behind it, refused; 0: none are known */
		unsigned count;
		int64_t first_s, last_s;
	} refusals;
	struct {
		unsigned count;
		size_t recipients; /* different ones, as far as they are kept */
		uint64_t recipient[HOP_STATE_RECIPIENTS];
		int64_t first_s, last_s;
	} row; /* refusals since it last took a message, whatever their status */
	struct {
		bool is_known, is_up;
		enum xfed_reason reason;
		int64_t refusal_s; /* the last refusal that was */
	} logged;		   /* what the log said last */
};

/* Whether an answer may speak of the server, or of us as its client, rather than of a user or of one message. */
bool hop_state_is_refusal(int status);
/* It refuses us for want of the right credentials. */
bool hop_state_wants_proof(const struct hop_state *s);

/* All give true where the log is to say how it is now. */
bool hop_state_down(struct hop_state *s, enum xfed_reason reason, const char *text, int64_t now_s);
bool hop_state_answers(struct hop_state *s, int64_t now_s); /* and no more is known */
bool hop_state_works(struct hop_state *s, int64_t now_s);
bool hop_state_age(struct hop_state *s, int64_t now_s); /* from time to time */

struct hop_refusal {
	int status;
	enum xfed_reason reason;
	const char *text;   /* what is to be said of it beside the status; NULL: nothing */
	uint64_t recipient; /* a hash of the one it was for; 0: it would be so for everybody */
};
bool hop_state_refuses(struct hop_state *s, const struct hop_refusal *r, int64_t now_s);

/*
 * A next hop for UDP that has refused TCP, which stands in for it where a request is too large. One large request may try it again after
 * 30 s, and each that is refused again doubles that, up to 10 minutes. Zeroed: nothing is known against TCP.
 */
struct hop_no_tcp {
	uint64_t until_ms, wait_ms;
	int64_t since_s;
};
void hop_no_tcp_refused(struct hop_no_tcp *n, uint64_t now_ms, int64_t now_s);

#endif
