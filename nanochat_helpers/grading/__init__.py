"""What teachers and graders need: sheets made from solutions, and the proof that each sheet is sound."""
