/* Why a request of ours was not sent, in the same words for whoever wanted it. Included by trunk.h. */
#ifndef GATEWAY_TRUNK_UNSENT_H
#define GATEWAY_TRUNK_UNSENT_H

#include "xfed/reason.h"

struct trunk_unsent {
	enum xfed_reason reason;
	const char *text; /* what is known besides, static; NULL: nothing */
};
struct trunk_unsent trunk_unsent(int rc);		      /* of trunk_send_request() or trunk_send_inside(); not OK */
struct trunk_unsent trunk_unlocated(enum xfed_reason reason); /* of hop_failed() */

#endif
