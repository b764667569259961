/* Figures that were measured several times. */
#ifndef TESTS_SUPPORT_MEDIAN_H
#define TESTS_SUPPORT_MEDIAN_H

#include <stddef.h>
#include <stdlib.h>

static inline int median_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* n > 0.  They stand in order of size afterwards: v[n * 95 / 100] is the 95th percentile. */
static inline double median_of(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), median_compare);
	return v[n / 2];
}

#endif
