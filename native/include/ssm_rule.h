/* The match rule of the reference, for all engines of the native code. */
#ifndef FINGERPRINT_SSM_RULE_H
#define FINGERPRINT_SSM_RULE_H

#include <float.h>
#include <stdint.h>

/* If the processor computes with more digits than the type has (x87), only a store rounds. */
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD == 0
typedef float ssm_single;
#else
typedef volatile float ssm_single;
#endif

/* The order is that of fingerprint.types.Reason. */
enum ssm_reason {
    SSM_DISABLED = 0,
    SSM_NOTHING_TO_COMPARE = 1,
    SSM_SID_DIFFERS = 2,
    SSM_SAME_IP = 3,
    SSM_SIMILAR = 4,
    SSM_NOT_SIMILAR = 5
};

/* Return the percentage. Each step is rounded to single precision, as in the reference, where 53 of 100 is less than
   53. total must not be 0. */
static inline float ssm_percent(uint32_t matched, uint32_t total)
{
    ssm_single m = (float)matched;
    ssm_single n = (float)total;
    ssm_single share = m / n;
    ssm_single percent = share * 100.0f;
    return percent;
}

static inline int ssm_passes(uint32_t matched, uint32_t total, int64_t threshold)
{
    ssm_single needed = (float)threshold;
    return !(ssm_percent(matched, total) < needed);
}

static inline enum ssm_reason ssm_decide(int64_t threshold, uint32_t saved_count, uint32_t current_count,
                                         int sid_equal, int ip_equal, uint32_t matched)
{
    if (threshold == -1)
        return SSM_DISABLED;
    if (saved_count == 0 || current_count == 0)
        return SSM_NOTHING_TO_COMPARE;
    if (!sid_equal)
        return SSM_SID_DIFFERS;
    if (ip_equal)
        return SSM_SAME_IP;
    return ssm_passes(matched, current_count, threshold) ? SSM_SIMILAR : SSM_NOT_SIMILAR;
}

static inline int ssm_is_match(enum ssm_reason reason)
{
    return reason == SSM_DISABLED || reason == SSM_SAME_IP || reason == SSM_SIMILAR;
}

#endif
