#include "proto/pump.h"

static bool is_for_now(int rc)
{
	return rc == XFED_ERR_AGAIN || rc == XFED_ERR_LIMIT || rc == XFED_ERR_STATE || rc == XFED_ERR_NOMEM;
}

const struct proto_delivery *proto_pump_deliver(struct proto_outbox *o, int peer, struct proto_session *s, uint64_t now_ms)
{
	const struct proto_delivery *d;
	while ((d = proto_outbox_next(o, peer))) {
		Xfed__Deliver m;
		Xfed__SipKey sip;
		proto_outbox_message(o, d, now_ms, &m, &sip);
		int rc = proto_session_deliver(s, &m);
		if (rc == XFED_OK) {
			proto_outbox_sent(o, d, peer);
			return d;
		}
		if (is_for_now(rc)) {
			return NULL;
		}
		proto_outbox_unsendable(o, d, rc == XFED_ERR_TOO_LARGE ? XFED_REASON_DELIVERY_SIZE_EXCEEDED : XFED_REASON_STREAM_INTERNAL);
	}
	return NULL;
}
