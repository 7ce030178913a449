"""Export of a workload and its energy prices to ZigZag."""
