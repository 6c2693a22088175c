#include "proto/report.h"

#include "proto/check.h"
#include "xfed/rt/log.h"

bool proto_report_refused(struct proto_session *s, const char *peer)
{
	struct proto_refused r = proto_session_refused(s);
	if (r.count == 0) {
		return false;
	}
	rt_log(RT_LOG_ERROR, "channel.message-invalid", RT_KV_STR("peer", peer), RT_KV_REASON(XFED_REASON_STREAM_INTERNAL),
		RT_KV_STR("message", proto_body_name(r.body)), RT_KV_STR("text", r.problem), RT_KV_U64("count", r.count), RT_END);
	return true;
}
