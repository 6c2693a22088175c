#include "proto/credit.h"

bool proto_credit_add(struct proto_credit_side *side, uint32_t messages, uint64_t bytes)
{
	if (messages > PROTO_CREDIT_MESSAGES_MAX - side->messages || bytes > PROTO_CREDIT_BYTES_MAX - side->bytes) {
		return false;
	}
	side->messages += messages;
	side->bytes += bytes;
	return true;
}

bool proto_credit_covers(const struct proto_credit_side *side, size_t bytes)
{
	return side->messages > 0 && side->bytes >= bytes;
}

bool proto_credit_take(struct proto_credit_side *side, size_t bytes)
{
	if (!proto_credit_covers(side, bytes)) {
		return false;
	}
	side->messages--;
	side->bytes -= bytes;
	return true;
}
