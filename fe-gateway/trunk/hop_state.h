/*
 * What is known of a next hop: whether it answers, what it refuses, when it last took a request. What has worked since is no
 * longer how it is, but stays to be told beside that. Pure: times come in, of the wall clock.
 */
#ifndef GATEWAY_TRUNK_HOP_STATE_H
#define GATEWAY_TRUNK_HOP_STATE_H

#include "xfed/base.h"
#include "xfed/reason.h"

#define HOP_STATE_WINDOW_S 3600 /* refusals so far apart are not counted together */
#define HOP_STATE_QUIET_S  60	/* of refusals that come and go one is logged in that time */
#define HOP_STATE_TEXT	   320

struct hop_state {
	bool is_known;		 /* it has been needed; what follows counts */
	bool is_up;		 /* it answered the last request, whatever it said */
	enum xfed_reason reason; /* why it is down, or refuses; NONE: all is well */
	char text[HOP_STATE_TEXT];
	int64_t since_s, tried_s; /* it is so; it was last asked for anything */
	int64_t worked_s;	  /* it last took a request, or found fault with the user alone; 0: never */
	struct {
		int status; /* of the answers with which it refused; 0: none are known */
		unsigned count;
		int64_t first_s, last_s;
	} refusals;
	int64_t logged_s; /* the last of them that was */
	bool is_told;	  /* the present one was logged: so is its end */
};

/* Whether an answer speaks of the server, or of us as its client, and not of a user or of one message. */
bool hop_state_is_refusal(int status);
/* It refuses for want of a username and password that it takes: new ones may change that. */
bool hop_state_wants_proof(const struct hop_state *s);

/* All give true where that is another state than before, and is to be logged. */
bool hop_state_down(struct hop_state *s, enum xfed_reason reason, const char *text, int64_t now_s);
bool hop_state_answers(struct hop_state *s, int64_t now_s); /* and no more is known */
bool hop_state_works(struct hop_state *s, int64_t now_s);
/* `text`: what is to be said of it beside the status; NULL: nothing. */
bool hop_state_refuses(struct hop_state *s, int status, enum xfed_reason reason, const char *text, int64_t now_s);

#endif
