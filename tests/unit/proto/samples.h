/* One sample of every message: the golden vectors of proto/channel.md and seeds of the fuzz targets. */
#ifndef TESTS_UNIT_PROTO_SAMPLES_H
#define TESTS_UNIT_PROTO_SAMPLES_H

#include "proto/channel.pb-c.h"

struct sample {
	const char *name;
	const Xfed__Frame *frame;
};

extern const struct sample samples[];
extern const size_t sample_count;

#endif
