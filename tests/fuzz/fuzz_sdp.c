/*
 * Session descriptions of IM sessions: first byte a cap of what is written, then a description. Whatever comes in:
 * - it is read within the limits, or refused and nothing is left of it;
 * - what is named as other media can be printed;
 * - an answer to it has as many media lines, of which only the one for IM is accepted, and is an answer to itself again, byte by byte;
 * - with a smaller cap it is the same answer, or nothing.
 */
#include <stdlib.h>

#include "interwork/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                                                   \
	do {                                                                                                                                         \
		if (!(cond)) {                                                                                                                       \
			abort();                                                                                                                     \
		}                                                                                                                                    \
	} while (0)

static int answer(struct xfed_buf *out, const struct iw_sdp *offer)
{
	return iw_sdp_write(out, offer, IW_SDP_MESSAGE, XFED_SPAN("192.0.2.7"), 5060, IW_SDP_ACCEPT_OURS);
}

static void is_answered(const struct iw_sdp *offer, size_t cap)
{
	struct xfed_buf first, second, bounded;
	struct iw_sdp back;
	xfed_buf_init(&first, 2 * IW_SDP_BYTES);
	xfed_buf_init(&second, 2 * IW_SDP_BYTES);
	xfed_buf_init(&bounded, cap);
	MUST(answer(&first, offer) == XFED_OK);
	int rc = iw_sdp_read(xfed_buf_span(&first), &back);
	MUST(rc == XFED_OK || (rc == XFED_ERR_LIMIT && xfed_buf_len(&first) > IW_SDP_BYTES));
	if (rc == XFED_OK) {
		MUST(back.has_im && back.im == offer->im && back.count == offer->count && back.name == offer->name);
		MUST(back.accept == IW_SDP_ACCEPT_OURS && !back.other.data);
		MUST(answer(&second, &back) == XFED_OK && xfed_span_eq(xfed_buf_span(&first), xfed_buf_span(&second)));
	}
	rc = answer(&bounded, offer);
	MUST(rc == XFED_OK ? xfed_span_eq(xfed_buf_span(&first), xfed_buf_span(&bounded)) : rc == XFED_ERR_LIMIT && xfed_buf_len(&bounded) == 0);
	xfed_buf_deinit(&first);
	xfed_buf_deinit(&second);
	xfed_buf_deinit(&bounded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iw_sdp s;
	if (size == 0) {
		return 0;
	}
	int rc = iw_sdp_read(xfed_span_make(data + 1, size - 1), &s);
	MUST(rc == XFED_OK || rc == XFED_ERR_INVALID || rc == XFED_ERR_LIMIT);
	MUST(s.count <= IW_SDP_MEDIA_MAX && (!s.has_im || s.im < s.count) && (rc == XFED_OK || (s.count == 0 && !s.has_im && !s.other.data)));
	for (size_t i = 0; i < s.other.len; i++) {
		MUST(s.other.data[i] > ' ' && s.other.data[i] < 0x7f && s.other.data[i] != '"');
	}
	if (s.has_im) {
		is_answered(&s, 8u * data[0]);
	}
	return 0;
}
