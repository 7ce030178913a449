"""Gate-level energy of a Verilog design on the standard cells of a Liberty library.

This example computes the energy per clock cycle of a module from its text::

    library = read_library("cells.lib")
    circuit = bind(synthesise(verilog, "accumulator", library), library)
    timed = analyse(circuit, Conditions(input_transition=20e-12))
    vectors = Vectors("clk", [{"x": word} for word in words], counted=range(8, len(words)))
    activity = run_zero_delay(circuit, vectors).activity
    summed(timed, gate_powers(timed, activity)).dynamic  # J per cycle

`bitnet_hw.gates.icarus` simulates with delays, and therefore includes glitches.
"""
