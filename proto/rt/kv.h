/* What a result is about (proto/outcome.h), as fields of a log line. */
#ifndef PROTO_RT_KV_H
#define PROTO_RT_KV_H

#include "proto/outcome.h"
#include "xfed/rt/log.h"

#define PROTO_KV_RESULT(r)                                                                                                                           \
	RT_KV_STR("reason", rt_log_reason_word((r)->reason)), RT_KV_STR("side", (r)->reason ? xfed_side_name((r)->side) : NULL),                     \
		RT_KV_STR("whose", (r)->whose ? proto_whose_word((r)->whose) : NULL)

#endif
