/* A NOTIFY is written, in what its transport holds; one that is too large for UDP is tried by TCP (RFC 3261 section 18.1.1). */
#include "presence/format.h"
#include "presence/rights.h"
#include "presence/stale.h"

#include <stdio.h>

#include "xfed/limits.h"

#define BODY_BYTES	 (12 * 1024)
#define BODY_LEAST_BYTES 256

/* `most`: of the document, which leaves out notes and then devices beyond it. */
static int send_bounded(struct watch *w, struct xfed_arena *a, size_t most)
{
	struct pair *pair = w->party.pair;
	struct presence *p = pair->presence;
	char state[SIP_SUB_VALUE_SIZE], lines[256], contact[TRUNK_CONTACT_BYTES];
	struct xfed_jid local;
	uint64_t txn;
	int rc = xfed_jid_parse(a, contact_local(pair->contact), &local);
	const struct config_domain *d = rc == XFED_OK ? config_domain(policy_config(p->policy), local.domain) : NULL;
	bool has_body = most > 0;
	struct xfed_buf body;
	xfed_buf_init(&body, most);
	rc = d && has_body ? format_write(a, w, d, &body) : rc;
	if (rc != XFED_OK || !d) {
		xfed_buf_deinit(&body);
		return rc == XFED_OK ? XFED_ERR_NOT_FOUND : rc;
	}
	w->sent = pair_digest(pair);
	w->is_leave_sent = w->is_leaving;
	sip_sub_value_print(&w->value, state);
	snprintf(lines, sizeof(lines), "Event: presence\r\nSubscription-State: %s\r\n", state);
	struct sip_layer_request rq = {
		.max_request = d->max_request_bytes,
		.user = &p->trunk_user.sip,
		.id = w->party.id,
		.dialog = w->party.dialog,
		.request = {
			.method = XFED_SPAN("NOTIFY"),
			.contact = xfed_span_str(trunk_contact(p->trunk, w->party.transport, contact)),
			.user_agent = XFED_SPAN(SIP_USER_AGENT),
			.extra = xfed_span_str(lines),
			.content_type = has_body ? xfed_span_str(iw_msrtc_type(format_of(w, d))) : xfed_span_make(NULL, 0),
			.body = has_body ? xfed_buf_span(&body) : xfed_span_make(NULL, 0),
		},
	};
	rc = trunk_send_inside(&w->party.send, d, &rq, &txn);
	xfed_buf_deinit(&body);
	return rc;
}

/* What fits is known when it is printed: routes and credentials are others' doing. What is too large for UDP goes by TCP, where that is a way. */
int notify_send(struct watch *w, struct xfed_arena *a)
{
	bool is_unknown = w->value.state == SIP_SUB_ACTIVE && w->is_untold && w->party.pair->known.count == 0;
	bool is_silent = !w->is_leaving && (is_unknown || pair_is_forbidden(w->party.pair, false));
	bool has_body = w->value.state != SIP_SUB_PENDING && w->shows && !is_silent;
	bool is_udp = w->party.transport == SIP_UDP, may_tcp = has_body && is_udp && !w->is_udp_only;
	size_t most = !has_body ? 0 : is_udp && !may_tcp ? XFED_SIP_UDP_REQUEST_BYTES : BODY_BYTES;
	w->party.send.is_large = false;
	int rc = send_bounded(w, a, most);
	if (rc == XFED_ERR_LIMIT && may_tcp) {
		w->party.send.is_large = true;
		rc = send_bounded(w, a, most);
	}
	if (rc == XFED_ERR_LIMIT && may_tcp) { /* its Contact names UDP, or nobody whom we may call */
		w->party.send.is_large = false;
		rc = send_bounded(w, a, most = XFED_SIP_UDP_REQUEST_BYTES);
	}
	while (rc == XFED_ERR_LIMIT && most >= BODY_LEAST_BYTES) {
		most -= most / 8;
		rc = send_bounded(w, a, most);
	}
	return rc;
}

/*
 * TCP was our choice, not the watcher's: that it does not get there by it does not end the subscription, and is found out once. Who is
 * without TCP is told as much as UDP holds.
 */
bool watch_falls_back(struct watch *w)
{
	bool was_large = w->party.send.is_large;
	if (was_large) {
		w->party.send.is_large = false;
		w->is_udp_only = true;
		w->has_notify = true;
		party_queue(&w->party);
	}
	return was_large;
}
