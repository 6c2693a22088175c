/*
 * What a change of files would do, told before it is made: how partners may prove themselves then, what of it is live. What is closed is
 * judged as the edges will (xfed_policy_judge()).
 *
 * EFFECT = {"what": "methods"|"kinds"|"limits"|"streams"|"contacts"|"subscriptions"|"sessions"|"unknown", "text", "domain"?, "count"?,
 * "reason"?, "row"?, "methods"?: [..]}
 */
#ifndef GATEWAY_ADMIN_EFFECTS_H
#define GATEWAY_ADMIN_EFFECTS_H

#include <jansson.h>

#include "xfed/policy.h"

/* Of the partners' files alone. `list` is an array; at most EFFECTS_PARTNERS partners are told of, and how many more there are. */
#define EFFECTS_PARTNERS 20
void effects_partners(const struct xfed_policy *was, const struct xfed_policy *is, json_t *list);

/* Live streams, as stream list has them: what `is` closes, counted by reason. */
struct effects_streams {
	size_t closed[XFED_REASON_COUNT];
};
void effects_add_streams(struct effects_streams *s, const struct xfed_policy *is, const json_t *streams);
void effects_tell_streams(const struct effects_streams *s, json_t *list);

/* Whether a pair with this domain of a partner's may exchange nothing more, or no presence more, behind the change. */
struct effects_pair {
	bool is_gone, loses_presence;
};
struct effects_pair effects_pair(const struct xfed_policy *was, const struct xfed_policy *is, struct xfed_span remote_domain);

/* One more for the list: a count and what it is a count of. Nothing where it is 0. */
void effects_tell_count(json_t *list, const char *what, size_t count, const char *text);

#endif
